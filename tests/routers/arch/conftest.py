from pathlib import Path

import pytest

from tests.support.tiny_checkpoint import build_tiny_checkpoint


@pytest.fixture(scope="session", autouse=True)
def _single_threaded() -> None:
    import torch

    torch.set_num_threads(1)  # two layers wait for their threads, for seconds when the machine is busy


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_trained_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_checkpoint(tmp_path_factory.mktemp("tiny-trained"), form="trained")
