"""Which data sets there are, where they are published and on what terms.

Their publishers give no checksums. Those of DIV2K are in TensorFlow Datasets' checksum list, those
of the EDSR benchmark and BSDS500 are what other projects recorded of their downloads. An archive
without a checksum is accepted once; what came is then recorded and required from then on.
"""

from collections.abc import Mapping

from lmf.core.errors import ConfigError
from lmf.data.entries import Archive, Bundled, DataSet, Manual, Member

_SCIKIT_IMAGE = "van der Walt et al., scikit-image: image processing in Python, PeerJ 2:e453, 2014"
_BSDS_LICENCE = "free for non-commercial research and education (Berkeley)"
_NO_LICENCE = "none stated by its publishers; in general use for research"

_ETH = "https://data.vision.ee.ethz.ch/cvl/DIV2K"
_DIV2K_MIRROR = "https://huggingface.co/datasets/goodfellowliu/DIV2K/resolve/main"
_DIV2K_LICENCE = "academic research only; the pictures belong to their owners (DIV2K terms of use)"
_DIV2K_CITATION = (
    "Agustsson and Timofte, NTIRE 2017 challenge on single image super-resolution: "
    "dataset and study, CVPR Workshops 2017"
)


def _div2k(
    name: str, folder: str, to: str, size: int, sha256: str, moved: tuple[str, ...] = ()
) -> Archive:
    return Archive(
        url=f"{_ETH}/{name}",
        format="zip",
        members=(Member(folder, to),),
        mirrors=(*moved, f"{_DIV2K_MIRROR}/{name}"),
        bytes=size,
        sha256=sha256,
    )


def _benchmark(
    name: str, title: str, images: int, unpacked: int, licence: str, citation: str
) -> DataSet:
    """A set of the EDSR benchmark archive, which holds MATLAB's bicubic LR pictures too."""
    inside = f"benchmark/{title}"
    scales = tuple(f"LR_bicubic/X{scale}" for scale in (2, 3, 4))
    archive = Archive(
        url="https://cv.snu.ac.kr/research/EDSR/benchmark.tar",
        format="tar",
        members=tuple(Member(f"{inside}/{folder}", folder) for folder in ("HR", *scales)),
        bytes=250_112_000,
        sha256="80c21c333bbf6ceb5308b7243761f8284478274413a97b96f1d63e9045fd93e8",
    )
    return DataSet(name, title, "test", images, licence, citation, (archive,), unpacked)


_PHOTOS_TRAIN = DataSet(
    name="photos-train",
    title="scikit-image's pictures, for training",
    split="train",
    images=14,
    licence=(
        "CC0, public domain or no known restrictions, picture by picture (scikit-image's "
        "documentation); motorcycle: Middlebury 2014 stereo; moon and page: none stated"
    ),
    citation=_SCIKIT_IMAGE,
    sources=(
        Bundled(
            files=(
                "brick.png", "camera.png", "clock_motion.png", "coins.png", "grass.png",
                "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png",
                "motorcycle_left.png", "motorcycle_right.png", "page.png", "retina.jpg",
                "text.png",
            ),
            tree_sha256="7866325387c40e4f0aba084004a5e6c303bfb376d8df302ecd04de6fc1dd9067",
        ),
    ),
    unpacked=3_493_949,
)  # fmt: skip

_PHOTOS_TEST = DataSet(
    name="photos-test",
    title="scikit-image's pictures, for testing",
    split="test",
    images=4,
    licence="CC0 or public domain (NASA, SpaceX, scikit-image's contributors)",
    citation=_SCIKIT_IMAGE,
    sources=(
        Bundled(
            files=("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"),
            tree_sha256="02db254353a9f0065dce14adb0891ab5d83cc6d099a02d041a19df25924a3ce4",
        ),
    ),
    unpacked=1_611_298,
)

_DIV2K_TRAIN = DataSet(
    name="div2k-train",
    title="DIV2K training pictures",
    split="train",
    images=800,
    licence=_DIV2K_LICENCE,
    citation=_DIV2K_CITATION,
    sources=(
        _div2k(
            "DIV2K_train_HR.zip", "DIV2K_train_HR", "HR", 3_530_603_713,
            "9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335",
        ),
    ),
    unpacked=3_530_000_000,
    protocol="div2k_rgb",
)  # fmt: skip

_DIV2K_VALID = DataSet(
    name="div2k-valid",
    title="DIV2K validation pictures with bicubic LR",
    split="validation",
    images=100,
    licence=_DIV2K_LICENCE,
    citation=_DIV2K_CITATION,
    sources=(
        _div2k(
            "DIV2K_valid_HR.zip", "DIV2K_valid_HR", "HR", 448_993_893,
            "20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc",
            moved=(f"{_ETH}/validation_release/DIV2K_valid_HR.zip",),
        ),
        _div2k(
            "DIV2K_valid_LR_bicubic_X2.zip", "DIV2K_valid_LR_bicubic/X2", "LR_bicubic/X2",
            117_763_600, "60eed9875c697df51204aa579e2a699e1d5215095788a097ff54dd17e2664d57",
        ),
        _div2k(
            "DIV2K_valid_LR_bicubic_X3.zip", "DIV2K_valid_LR_bicubic/X3", "LR_bicubic/X3",
            54_513_392, "04b9a2ed3b4a0715d3924d3ae8514830c3328fac8d30512ce716d6f419e052a3",
        ),
        _div2k(
            "DIV2K_valid_LR_bicubic_X4.zip", "DIV2K_valid_LR_bicubic/X4", "LR_bicubic/X4",
            31_505_881, "a50a5d1c4b88de4e8d300d8fb2b904c52fe93b2b298a4899697760d7cbb6d553",
        ),
    ),
    unpacked=650_000_000,
    protocol="div2k_rgb",
)  # fmt: skip

_BSDS400 = DataSet(
    name="bsds400",
    title="BSDS500 without its validation pictures, which are B100",
    split="train",
    images=400,
    licence=_BSDS_LICENCE,
    citation=(
        "Arbelaez, Maire, Fowlkes and Malik, Contour detection and hierarchical image "
        "segmentation, TPAMI 33(5), 2011"
    ),
    sources=(
        Archive(
            url=(
                "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/BSR/"
                "BSR_bsds500.tgz"
            ),
            format="tgz",
            members=(
                Member("BSR/BSDS500/data/images/train", "HR"),
                Member("BSR/BSDS500/data/images/test", "HR"),
            ),
            mirrors=(
                "https://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/BSR/"
                "BSR_bsds500.tgz",
            ),
            bytes=70_763_455,
            sha256="97e49d31764f3912f0c4122707d53062ac9e783ba0f095e447a4d53c1a41af8e",
        ),
    ),
    unpacked=30_000_000,
)

_MANGA109 = DataSet(
    name="manga109",
    title="Manga109, the 109 pages used for super-resolution",
    split="test",
    images=109,
    licence="academic use by non-profit bodies, on request; may not be passed on (manga109.org)",
    citation=(
        "Matsui et al., Sketch-based manga retrieval using Manga109 dataset, "
        "Multimedia Tools and Applications 76(20), 2017"
    ),
    sources=(
        Manual(
            "ask for access at http://www.manga109.org/en/ and put the super-resolution "
            "benchmark's 109 pictures (one per volume)"
        ),
    ),
)

CATALOGUE: Mapping[str, DataSet] = {
    entry.name: entry
    for entry in (
        _PHOTOS_TRAIN,
        _PHOTOS_TEST,
        _DIV2K_TRAIN,
        _DIV2K_VALID,
        _benchmark(
            "set5", "Set5", 5, 2_000_000, _NO_LICENCE,
            "Bevilacqua et al., Low-complexity single-image super-resolution based on "
            "nonnegative neighbor embedding, BMVC 2012",
        ),
        _benchmark(
            "set14", "Set14", 14, 8_000_000, _NO_LICENCE,
            "Zeyde, Elad and Protter, On single image scale-up using sparse-representations, "
            "Curves and Surfaces 2010",
        ),
        _benchmark(
            "b100", "B100", 100, 45_000_000, _BSDS_LICENCE,
            "Martin et al., A database of human segmented natural images, ICCV 2001",
        ),
        _benchmark(
            "urban100", "Urban100", 100, 200_000_000, _NO_LICENCE + "; photographs from Flickr",
            "Huang, Singh and Ahuja, Single image super-resolution from transformed "
            "self-exemplars, CVPR 2015",
        ),
        _MANGA109,
        _BSDS400,
    )
}  # fmt: skip


def data_set(name: str) -> DataSet:
    """The catalogue's entry of that name.

    Raises:
        ConfigError: there is none.
    """
    try:
        return CATALOGUE[name]
    except KeyError:
        raise ConfigError(
            f"no data set is called {name!r}; choose from {', '.join(CATALOGUE)}"
        ) from None


def protocol_of(name: str) -> str:
    """The protocol by which the literature scores a set; the benchmarks' for pictures of your own."""
    entry = CATALOGUE.get(name)
    return entry.protocol if entry else DataSet.protocol
