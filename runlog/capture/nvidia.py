"""NVIDIA GPUs, asked through NVML (extra `system`: nvidia-ml-py).

The library lets other threads run while it waits for the driver. It is loaded only where a driver
shows, and asked only for what a device has answered before: most devices support a part of it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final, Self

_SIGNS: Final = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")
"""Files that a driver makes on Linux; the last one is Windows' under WSL."""

Query = Callable[[ModuleType, Any], Mapping[str, float]]
"""Asks a device, by pynvml and a handle, for some values by the last part of their names."""


def _load(nvml: ModuleType, device: Any) -> dict[str, float]:
    rates = nvml.nvmlDeviceGetUtilizationRates(device)
    return {"gpu": rates.gpu, "memory": rates.memory}


def _memory(nvml: ModuleType, device: Any) -> dict[str, float]:
    found = nvml.nvmlDeviceGetMemoryInfo(device)
    share = round(found.used / found.total * 100, 3)
    return {"memoryAllocated": share, "memoryAllocatedBytes": found.used}


def _temperature(nvml: ModuleType, device: Any) -> dict[str, float]:
    return {"temp": nvml.nvmlDeviceGetTemperature(device, nvml.NVML_TEMPERATURE_GPU)}


def _power(nvml: ModuleType, device: Any) -> dict[str, float]:
    return {"powerWatts": nvml.nvmlDeviceGetPowerUsage(device) / 1e3}


def _power_limit(nvml: ModuleType, device: Any) -> dict[str, float]:
    return {"enforcedPowerLimitWatts": nvml.nvmlDeviceGetEnforcedPowerLimit(device) / 1e3}


def _sm_clock(nvml: ModuleType, device: Any) -> dict[str, float]:
    return {"smClock": nvml.nvmlDeviceGetClockInfo(device, nvml.NVML_CLOCK_SM)}


def _memory_clock(nvml: ModuleType, device: Any) -> dict[str, float]:
    return {"memoryClock": nvml.nvmlDeviceGetClockInfo(device, nvml.NVML_CLOCK_MEM)}


def _graphics_clock(nvml: ModuleType, device: Any) -> dict[str, float]:
    return {"graphicsClock": nvml.nvmlDeviceGetClockInfo(device, nvml.NVML_CLOCK_GRAPHICS)}


def _fan(nvml: ModuleType, device: Any) -> dict[str, float]:
    return {"fanSpeed": nvml.nvmlDeviceGetFanSpeed(device)}


def _encoder(nvml: ModuleType, device: Any) -> dict[str, float]:
    return {"encoderUtilization": nvml.nvmlDeviceGetEncoderUtilization(device)[0]}


def _corrected(nvml: ModuleType, device: Any) -> dict[str, float]:
    return {"correctedMemoryErrors": _errors(nvml, device, nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED)}


def _uncorrected(nvml: ModuleType, device: Any) -> dict[str, float]:
    kind = nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
    return {"uncorrectedMemoryErrors": _errors(nvml, device, kind)}


def _errors(nvml: ModuleType, device: Any, kind: int) -> int:
    count: int = nvml.nvmlDeviceGetMemoryErrorCounter(
        device, kind, nvml.NVML_AGGREGATE_ECC, nvml.NVML_MEMORY_LOCATION_DEVICE_MEMORY
    )
    return count


QUERIES: Final[tuple[Query, ...]] = (
    _load, _memory, _temperature, _power, _power_limit, _sm_clock, _memory_clock, _graphics_clock,
    _fan, _encoder, _corrected, _uncorrected,
)  # fmt: skip


def present() -> bool:
    """Whether there are signs of an NVIDIA driver; cheap, and often wrong outside Linux."""
    return sys.platform != "linux" or any(map(os.path.exists, _SIGNS))


def load() -> None:
    """Import the library, so that only this has to be kept apart from forks.

    Raises:
        ImportError: it is not installed.
    """
    import pynvml  # noqa: F401 - for its effect


class Nvidia:
    """The machine's NVIDIA GPUs.

    Raises:
        ModuleNotFoundError: nvidia-ml-py is not installed.
        Exception: there is no driver, or it does not answer.
    """

    def __init__(self) -> None:
        import pynvml

        pynvml.nvmlInit()
        self._nvml: ModuleType = pynvml
        self._devices: list[tuple[Any, list[Query]]] = [
            (pynvml.nvmlDeviceGetHandleByIndex(index), list(QUERIES))
            for index in range(pynvml.nvmlDeviceGetCount())
        ]
        self._for_good = tuple(
            pynvml.NVMLError(code).__class__
            for code in (
                pynvml.NVML_ERROR_NOT_SUPPORTED,
                pynvml.NVML_ERROR_NO_PERMISSION,
                pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
                pynvml.NVML_ERROR_INVALID_ARGUMENT,
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the driver."""
        with contextlib.suppress(Exception):
            self._nvml.nvmlShutdown()

    def sample(self, pids: Collection[int], failed: Callable[[], None]) -> dict[str, float]:
        """Values of all devices, by names such as `gpu.0.temp` (spec/writing.md).

        Args:
            pids: of the processes whose memory is given separately.
            failed: called for each question that a device refused, though it may answer later.
        """
        out: dict[str, float] = {}
        for index, (device, queries) in enumerate(self._devices):
            found: dict[str, float] = {}
            for query in tuple(queries):
                try:
                    found |= query(self._nvml, device)
                except self._for_good:
                    queries.remove(query)
                except Exception:  # noqa: BLE001 - law L8: a device may fall off the bus
                    failed()
            if "powerWatts" in found and found.get("enforcedPowerLimitWatts"):
                share = found["powerWatts"] / found["enforcedPowerLimitWatts"]
                found["powerPercent"] = round(share * 100, 3)
            out |= {f"gpu.{index}.{name}": value for name, value in found.items()}
            own = self._memory_of(device, pids)
            if own:
                out[f"gpu.process.{index}.memoryAllocatedBytes"] = own
        return out

    def _memory_of(self, device: Any, pids: Collection[int]) -> int:
        """Bytes that processes hold; 0 in most containers, where they have other ids."""
        with contextlib.suppress(Exception):
            running = self._nvml.nvmlDeviceGetComputeRunningProcesses(device)
            return sum(p.usedGpuMemory or 0 for p in running if p.pid in pids)
        return 0

    def describe(self) -> list[dict[str, Any]]:
        """One map a GPU: name, memory (bytes), driver, uuid; as far as known."""
        nvml = self._nvml
        asked: tuple[tuple[str, Callable[[Any], Any]], ...] = (
            ("name", nvml.nvmlDeviceGetName),
            ("memory", lambda device: nvml.nvmlDeviceGetMemoryInfo(device).total),
            ("driver", lambda _device: nvml.nvmlSystemGetDriverVersion()),
            ("uuid", nvml.nvmlDeviceGetUUID),
        )
        out: list[dict[str, Any]] = []
        for device, _ in self._devices:
            found: dict[str, Any] = {}
            for name, ask in asked:
                with contextlib.suppress(Exception):
                    value = ask(device)
                    # Releases of nvidia-ml-py before 11.5 give bytes.
                    found[name] = value.decode() if isinstance(value, bytes) else value
            out.append(found)
        return out


def describe() -> list[dict[str, Any]]:
    """As `Nvidia.describe`; where NVML does not answer, what the driver's files say."""
    if not present():
        return []
    try:
        with Nvidia() as devices:
            return devices.describe()
    except Exception:  # noqa: BLE001 - law L8: no library, no driver, or one that does not answer
        return _from_driver_files()


def _from_driver_files(root: str = "/proc/driver/nvidia/gpus") -> list[dict[str, Any]]:
    words = {"Model": "name", "GPU UUID": "uuid", "GPU Firmware": "driver"}
    out: list[dict[str, Any]] = []
    with contextlib.suppress(OSError):
        for file in sorted(Path(root).glob("*/information")):
            pairs = (line.partition(":") for line in file.read_text().splitlines())
            out.append({words[n.strip()]: v.strip() for n, _, v in pairs if n.strip() in words})
    return out
