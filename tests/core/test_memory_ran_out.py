"""A full memory is known by what libraries say, and nothing else is taken for one."""

import pytest
import torch

from lmf.core.memory import ran_out


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA: tried to allocate 2 GiB"),
        MemoryError("Unable to allocate 8 GiB for an array"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8 bytes"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
    ],
)
def test_full_memory_in_one_line(error):
    assert ran_out(error) == str(error)
    assert ran_out(type(error)(f"{error}\nException raised from here")) == str(error)


def test_a_real_allocation_that_fails():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 55, dtype=torch.uint8)
    assert ran_out(caught.value)


def test_an_error_without_words_has_its_name():
    assert ran_out(MemoryError()) == "MemoryError"


def test_other_errors_are_none():
    assert ran_out(RuntimeError("memory format channels_last wants 4 dimensions")) is None
