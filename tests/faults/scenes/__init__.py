"""All scenes of the campaign, by name."""

from __future__ import annotations

from typing import Final

from tests.faults.scene import Scene
from tests.faults.scenes import exporting, files, recovering, writing

SCENES: Final[dict[str, Scene]] = {
    scene.name: scene
    for scene in (*writing.SCENES, *recovering.SCENES, *files.SCENES, *exporting.SCENES)
}
