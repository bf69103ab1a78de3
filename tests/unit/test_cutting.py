"""Blocks that are cut from chunks: the same bytes, in memory that is used again."""

import tracemalloc

import pytest

from shared.storage.cutting import Cutter

MEBI = 1024 * 1024
DATA = bytes(range(97))


@pytest.mark.parametrize("length", [1, 3, 4, 7, 8, 9, 97])
@pytest.mark.parametrize("size", [1, 4, 8, 96, 97, 98])
def test_the_bytes_stay_the_same(length: int, size: int) -> None:
    chunks = [DATA[at : at + length] for at in range(0, len(DATA), length)]
    cut = [bytes(block) for block in Cutter(size).blocks(chunks)]
    assert b"".join(cut) == DATA
    assert {len(block) for block in cut[:-1]} <= {size}
    assert 0 < len(cut[-1]) <= size


@pytest.mark.parametrize("chunks", [[], [b""], [b"", b""]])
def test_of_nothing_there_is_no_block(chunks: list[bytes]) -> None:
    cutter = Cutter(4)
    assert list(cutter.blocks(chunks)) == []
    assert cutter.buffers == 0


def test_a_block_holds_until_it_is_handed_back() -> None:
    cutter = Cutter(4)
    held = list(cutter.blocks([DATA]))
    assert b"".join(held) == DATA
    assert cutter.buffers == len(held)


@pytest.mark.parametrize("kept", [1, 2, 4])
def test_memory_is_used_again(kept: int) -> None:
    cutter, held, whole = Cutter(4), list[memoryview](), b""
    for block in cutter.blocks([DATA]):
        held.append(block)
        if len(held) == kept:
            whole += bytes(held[0])
            cutter.free(held.pop(0))
    assert whole + b"".join(held) == DATA
    assert cutter.buffers == kept


def test_a_chunk_of_a_block_is_not_copied() -> None:
    chunk = bytes(4)
    cutter = Cutter(4)
    (block,) = cutter.blocks([chunk])
    cutter.free(block)
    assert block.obj is chunk
    assert cutter.buffers == 0


def test_one_huge_chunk_is_cut_without_being_copied_whole() -> None:
    huge, cutter = bytes(32 * MEBI), Cutter(MEBI)
    tracemalloc.start()
    try:
        sizes = []
        for block in cutter.blocks([b"x", huge]):
            sizes.append(len(block))
            cutter.free(block)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sizes == [MEBI] * 32 + [1]
    assert peak < MEBI
    assert cutter.buffers == 1
