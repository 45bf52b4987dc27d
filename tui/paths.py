"""Where files of mltriage lie on this machine."""

from __future__ import annotations

from pathlib import Path

CONFIG_VARIABLE = "MLTRIAGE_CONFIG"
LOCAL_CONFIG = "mltriage.yaml"


def user_config_file() -> Path:
    """`$XDG_CONFIG_HOME/mltriage/config.yaml`, on macOS as well: terminal programs are looked for in ~/.config."""
    from platformdirs.unix import Unix  # 13 ms, and only a config that is looked for needs it

    return Unix("mltriage").user_config_path / "config.yaml"


def state_folder() -> Path:
    """`$XDG_STATE_HOME/mltriage`, on macOS as well: copies and exports lie here."""
    from platformdirs.unix import Unix

    return Unix("mltriage").user_state_path


def example_config_file() -> Path:
    """The commented example: beside this module in a wheel, at the top of a checkout."""
    here = Path(__file__).resolve().parent
    packaged = here / "config.example.yaml"
    return packaged if packaged.exists() else here.parent / "config.example.yaml"
