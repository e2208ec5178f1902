using System.Globalization;
using BillingMigration.Control;

namespace BillingMigration.Store;

internal static class SwitchErrors
{
    public static MigrationException GatesClosed(IReadOnlyCollection<SwitchGate> closed) => new(
        "SwitchGateClosed", MigrationErrorKind.WrongState,
        $"The applications are not switched: {string.Join(" ", closed.Select(g => $"{g.Name}: {g.Detail}"))} "
        + (closed.All(g => g.CanForce) ? $"Remove the causes, or pass over them with -Force {string.Join(",", closed.Select(g => g.Name))}, which is kept in the history." : "Remove the causes, and run the same command again."),
        closed.First().Name);

    public static MigrationException NoSuchGate(string name, IEnumerable<string> known) => new(
        "SwitchGateUnknown", MigrationErrorKind.InvalidArgument, $"There is no gate '{name}' to force. These are there: {string.Join(", ", known)}.", name);

    public static MigrationException CannotForce(string name) => new(
        "SwitchGateNotForced", MigrationErrorKind.InvalidArgument, $"The gate {name} cannot be passed over: without it there is nothing to switch to.", name);

    public static MigrationException StallLimit(TimeSpan most, string step, Exception? cause) => new(
        "StallLimitReached", MigrationErrorKind.LimitExceeded,
        string.Create(
            CultureInfo.InvariantCulture,
            $"The applications' calls had to wait for {most.TotalSeconds:0.#} s (-MaxStall), and the step '{step}' was not through: they go on where they were, and nothing is lost. Look what it waits for, and switch again, or allow a longer stall."),
        step, cause);

    public static MigrationException FallsBehind(TimeSpan? lag, TimeSpan waited) => new(
        "SwitchFallsBehind", MigrationErrorKind.LimitExceeded,
        string.Create(
            CultureInfo.InvariantCulture,
            $"The other side is {lag?.TotalSeconds ?? 0:0.#} s behind and has come no nearer for {waited.TotalMinutes:0.#} minutes: the applications write more than is carried over. Nothing was switched. Switch at a quieter time, or give the migration more: the throttle of the definition, the capacity of the table, a nearer machine."),
        lag, null);

    public static MigrationException BackedOut(string step, Exception cause) => new(
        (cause as MigrationException)?.ErrorId ?? "SwitchFailed", (cause as MigrationException)?.Kind ?? MigrationErrorKind.Unexpected,
        $"The switch failed in the step '{step}' and backed out: the applications' calls go on where they were, and nothing is lost. {cause.Message}", step, cause);

    public static MigrationException Left(string step, Exception cause) => new(
        "SwitchBrokenOff", MigrationErrorKind.Unreachable,
        $"The switch was broken off in the step '{step}', and whether it has backed out is not known: {ErrorText.Sentence(cause)} Run the same command again, which finishes it, or with the other side, which undoes it.", step, cause);

    public static MigrationException NotEqual(string what) => new(
        "SwitchNotEqual", MigrationErrorKind.DataRefused, $"Both sides are not proven equal: {what} Run Test-MigrationIntegrity, and mend what it names.", what);

    public static MigrationException Nowhere(Route route, RouteState to) => new(
        "RouteChangeInvalid", MigrationErrorKind.WrongState, $"The applications' route is {route.State} on {route.Backend}, and {to} cannot follow that.", to);

    public static MigrationException WorkersLeft(IEnumerable<(string Job, string Holder)> held) => new(
        "LeaseHeld", MigrationErrorKind.Busy, $"Other jobs began meanwhile: {string.Join(", ", held.Select(h => $"{h.Job} by {h.Holder}"))}. Stop them, and switch again.", null);

    public static MigrationException FenceDenied(SourceFence fence, string needed, Exception cause) => new(
        "FenceDenied", MigrationErrorKind.PermissionDenied,
        $"The source account may not fence the source with {fence}: {ErrorText.Sentence(cause)} GRANT {needed} to it, or choose another -Fence.", fence, cause);

    public static MigrationException NoAccounts() => new(
        "FenceAccountsMissing", MigrationErrorKind.InvalidArgument, "-Fence AccountLock needs the accounts of the applications: -FenceAccount 'billing@10.0.%'.", null);

    public static MigrationException OwnAccount(string account) => new(
        "FenceAccountOwn", MigrationErrorKind.InvalidArgument,
        $"-FenceAccount names a user that is also the migration's ({account}): its own connections would be ended. Give the migration an account with a name of its own, or choose another -Fence.", account);

    public static MigrationException BadAccount(string account) => new(
        "FenceAccountInvalid", MigrationErrorKind.InvalidArgument, $"'{account}' is no account: write it as user@host, for example billing@10.0.%.", account);
}
