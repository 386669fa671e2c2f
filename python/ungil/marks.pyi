from types import TracebackType
from typing import Literal, Self

class phase:
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> Literal[False]: ...

__all__ = ["phase"]
