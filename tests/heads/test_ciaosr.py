"""CiaoSR and LM-CiaoSR: attention over neighbours, at HR pixels or on the LR grid."""

import pytest
import torch
from whole_image import render_image

from lmf.core.bundle import ContextCode
from lmf.core.coords import cell_of, pixel_centres
from lmf.core.ensemble import around, nearest, neighbours
from lmf.core.errors import ConfigError
from lmf.heads.local_attention import LocalAttention
from lmf.metrics.cost import multiply_adds
from lmf.model import create_model

FAMILIES = ["ciaosr", "lm-ciaosr"]
OPTIONS = [
    {},
    {"local_size": 1},
    {"local_size": 3},
    {"softmax_scale": 4.0},
    {"cell": False},
    {"position": False},
    {"unfold": False},
]


@pytest.fixture
def small(small_model):
    def make(name, cross_scale=True, **options):
        return small_model(name, cross_scale=cross_scale, attention=[20, 12], **options)

    return make


def by_queries(model, image, size, chunk=37):
    coord = pixel_centres(*size).expand(image.shape[0], -1, -1)
    extent = cell_of(size, image.shape[-2:], model.config.max_scale)
    rgb = model.query(model.encode(image), coord, torch.tensor(extent).expand_as(coord), chunk)
    return rgb.transpose(1, 2).unflatten(-1, size)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", FAMILIES)
def test_render_equals_queries_at_pixel_centres(small, name, options):
    model, image = small(name, **options), torch.rand(2, 3, 5, 4)
    with torch.no_grad():
        for size in [(15, 12), (13, 11), (4, 4)]:
            rendered = model(image, size=size)
            torch.testing.assert_close(rendered, by_queries(model, image, size), atol=5e-5, rtol=0)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("lr_size", [(1, 1), (1, 6), (7, 3)])
def test_any_size_works_with_and_without_non_local_features(small, name, lr_size):
    for cross_scale in (True, False):
        with torch.no_grad():
            rgb = small(name, cross_scale)(torch.rand(1, 3, *lr_size), scale=2.7)
        assert rgb.shape[-2:] == tuple(round(n * 2.7) for n in lr_size)
        assert torch.isfinite(rgb).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_batch_changes_nothing(small, name):
    model, images = small(name), torch.rand(3, 3, 6, 5)
    with torch.no_grad():
        alone = torch.cat([model(image[None], scale=2.5) for image in images])
        torch.testing.assert_close(model(images, scale=2.5), alone, atol=2e-6, rtol=0)


@pytest.mark.parametrize("chunk", [1, 5000])
def test_chunk_changes_nothing(small, chunk):
    model, image = small("ciaosr"), torch.rand(2, 3, 5, 6)
    with torch.no_grad():
        cell = torch.full((2, 2), 0.6)
        cells = model.cells(model.encode(image), cell)
        whole, parts = (
            render_image(
                cells,
                model.head.render_basis,
                model.render_mlp,
                (9, 11),
                cell,
                ensemble=True,
                chunk=c,
            )
            for c in (None, chunk)
        )
        torch.testing.assert_close(parts, whole, atol=2e-6, rtol=0)
        head = small("lm-ciaosr").head
        code = head.code(torch.rand(2, 32, 5, 6), torch.rand(2, 32, 5, 6))
        on_grid = [
            head.basis.on_grid(code, torch.full((2, 5, 6, 2), 0.6), c) for c in (10**9, chunk)
        ]
        torch.testing.assert_close(on_grid[1], on_grid[0], atol=2e-6, rtol=0)


def make_attention(softmax_scale=1.0):
    attention = LocalAttention(
        6, 2, (8,), side=2, softmax_scale=softmax_scale, cell=True, position=True
    )
    return attention, ContextCode(torch.randn(4, 6), torch.randn(4, 2)), torch.rand(4, 2) - 0.5


def test_attention_equals_its_equation():
    """One query, written out with a loop over its neighbours."""
    attention, code, offset = make_attention(softmax_scale=3.0)
    cell = torch.tensor([0.3, 0.5])
    query = code.feature[min(range(4), key=lambda j: float(offset[j].abs().max()))]
    keys, values = [], []
    for j in range(4):
        rest = torch.cat((offset[j], cell))
        keys.append(attention.key(torch.cat((code.feature[j], rest))))
        values.append(attention.value(torch.cat((code.feature[j], code.context[j], rest))))
    weights = torch.exp(torch.stack([3.0 * query @ key / 6**0.5 for key in keys]))
    expected = sum(w * v for w, v in zip(weights, values, strict=True)) / weights.sum()
    torch.testing.assert_close(attention(code, offset, cell.expand(4, 2)), expected)


def test_order_of_neighbours_changes_nothing():
    attention, code, offset = make_attention()
    cell = torch.full((4, 2), 0.4)
    mixed = torch.tensor([2, 0, 3, 1])
    there = attention(code.map(lambda t: t[mixed]), offset[mixed], cell)
    torch.testing.assert_close(there, attention(code, offset, cell))


def test_nearest_are_the_neighbours_of_the_local_ensemble():
    coord = torch.rand(1, 200, 2) * 2 - 1
    near, blend = nearest(coord, (5, 7), 2), neighbours(coord, (5, 7))
    torch.testing.assert_close(near.index, blend.index)
    torch.testing.assert_close(near.offset, blend.offset)


@pytest.mark.parametrize(("side", "steps"), [(1, [0]), (2, [0, 1]), (3, [-1, 0, 1])])
def test_nearest_of_pixel_centres_do_not_depend_on_rounding(side, steps):
    near = nearest(pixel_centres(301, 1)[None], (301, 1), side)
    rows = near.index.unflatten(-1, (side, side))[0, :, :, 0]
    expected = torch.arange(301)[:, None] + torch.tensor(steps)
    assert torch.equal(rows, expected.clamp(0, 300))


@pytest.mark.parametrize(("side", "steps"), [(1, [0]), (2, [0, 1]), (3, [-1, 0, 1])])
def test_pixels_around_a_pixel_are_counted_off_however_many_there_are(side, steps):
    """As coordinates in [-1, 1], which float32 rounds, the first of them goes wrong at 2,737."""
    points = torch.cartesian_prod(torch.arange(8192.0), torch.zeros(1))[None]
    rows = around(points, (8192, 1), side).index.unflatten(-1, (side, side))[0, :, :, 0]
    expected = torch.arange(8192)[:, None] + torch.tensor(steps)
    assert torch.equal(rows, expected.clamp(0, 8191))


@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_reach_every_parameter(small, name):
    model, image = small(name), torch.rand(1, 3, 4, 5)
    by_queries(model, image, (9, 11)).square().mean().backward()
    still = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not still
    assert all(float(p.grad.abs().sum()) > 0 for p in model.head.parameters())


def test_far_pixels_matter_only_through_non_local_features(small):
    image = torch.rand(1, 3, 24, 24)
    changed = image.clone()
    changed[..., -2:] = 0
    with torch.no_grad():
        for cross_scale, differs in ((True, True), (False, False)):
            model = small("ciaosr", cross_scale)
            before, after = (model(x, size=(24, 24))[..., 0] for x in (image, changed))
            assert (not torch.equal(before, after)) == differs


def test_lm_ciaosr_has_the_official_shapes():
    """He & Jin 2024: prenet, K, V, latent MLP and render MLP for EDSR-baseline."""
    state = create_model("lm-ciaosr").state_dict()
    official = {
        "head.prenet.layers": [(256, 576), (256, 256)],
        "head.basis.key.layers": [(256, 260), (256, 256)],
        "head.basis.value.layers": [(256, 324), (320, 256)],
        "latent_mlp.layers": [(288, 320), (288, 288)],
        "render_mlp.layers": [(16, 34), *[(16, 16)] * 7, (3, 16)],
    }
    for name, shapes in official.items():
        found = [tuple(state[f"{name}.{2 * i}.weight"].shape) for i in range(len(shapes))]
        assert found == shapes, name


@pytest.mark.parametrize("name", FAMILIES)
def test_the_attention_is_saved_once(small, name):
    keys = small(name).state_dict()
    assert len([key for key in keys if key.endswith("key.layers.0.weight")]) == 1


def test_a_larger_scale_costs_lm_ciaosr_only_16_wide_layers(small):
    """A cell's window at x4 has 2 x 4 + 1 positions per axis, and the render MLP runs once for each."""
    model = small("lm-ciaosr")
    growth = multiply_adds(model, (8, 8), 4) - multiply_adds(model, (8, 8), 2)
    weights = sum(layer.weight.numel() for layer in model.render_mlp.linears)
    assert 0 < growth <= 8 * 8 * 9**2 * weights


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ciaosr", {"ensemble": False}, "ciaosr has no ensemble"),
        ("lm-ciaosr", {"mod_input": False}, "no mod_input=False"),
        ("ciaosr", {"attention": []}, "needs attention"),
        ("ciaosr", {"fourier": 16}, "set fourier to 0"),
        ("ciaosr", {"local_size": 0}, "local_size must be at least 1"),
        ("lm-lte", {"local_size": 3}, "lm-lte has no local_size"),
        ("liif", {"softmax_scale": 2.0}, "liif has no softmax_scale"),
    ],
)
def test_unsupported_combinations_are_refused_by_name(name, options, message):
    with pytest.raises(ConfigError, match=message):
        create_model(name, options=options)


def test_non_local_features_are_the_families_default_and_can_be_left_out():
    for name in FAMILIES:
        assert create_model(name, encoder="edsr-small").cross_scale is not None
        assert create_model(name, encoder="edsr-small", cross_scale=False).cross_scale is None
    assert create_model("lm-lte", encoder="edsr-small").cross_scale is None


@pytest.mark.parametrize("n", [60, 2737, 4000, 8192])
def test_neighbours_of_a_pixel_are_right_however_many_pixels_there_are(small, n):
    """A strip's end, by itself and within a long one, whose coordinates float32 cannot tell apart."""
    model, strip = small("lm-ciaosr", cross_scale=False), torch.rand(1, 3, 2, n)
    ends = []
    with torch.no_grad():
        for part in (strip, strip[..., -min(n, 40) :]):
            cells = model.cells(model.encode(part), torch.full((1, 2), 0.5))
            ends.append([])
            cells.map(lambda t, end=ends[-1]: end.append(t[:, :, -5:]) or t)
    assert ends[0]
    for long, short in zip(*ends, strict=True):
        torch.testing.assert_close(long, short, atol=1e-5, rtol=0)
