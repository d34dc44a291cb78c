"""All scenes of the campaign, by name."""

from __future__ import annotations

from typing import Final

from tests.faults.scene import Scene
from tests.faults.scenes import exporting, files, real, recovering, writing

SCENES: Final[dict[str, Scene]] = {
    scene.name: scene
    for module in (writing, recovering, files, exporting, real)
    for scene in module.SCENES
}
