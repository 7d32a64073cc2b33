"""What goes wrong between Surco and its servers."""

REMEDY = "start the embedded servers with `surco stack up`, or see `surco doctor`"


class ServerDown(ConnectionError):
    """A server does not answer, or not to us: named, with its address and the remedy.

    Unlike `InputError` it says nothing against the job, which may be tried again later. The CLI
    prints it as one sentence and exits with code 2.
    """

    def __init__(
        self, server: str, address: str, problem: str = "does not answer", *, remedy: str = REMEDY
    ) -> None:
        super().__init__(f"{server} at {address} {problem}; {remedy}.")
        self.server = server
        self.address = address
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.server, self.address, self.problem)
