using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Reverse;
using BillingMigration.Store;
using BillingMigration.Sync;
using BillingMigration.Testing;

namespace BillingMigration.Torture;

/// <summary>What operators run around a switch, each in a process that is killed: the switch itself, the followers of either direction, and a comparison.</summary>
internal static class SwitchWorker
{
    /// <summary>Exit code when a gate is closed: something else is to be run first.</summary>
    public const int GateClosed = 70;

    public static async Task<int> RunAsync(string[] args)
    {
        var closed = false;
        var code = await Worker.RunAsync(SampleMigration.Create, args, async (session, what) =>
        {
            switch (what)
            {
                case "forward":
                    await new ChangeFollower(session, new SyncOptions { Until = null, Follow = true }).RunAsync(new Progress<SyncProgress>(), CancellationToken.None);
                    return true;
                case "sync":
                    return (await new ChangeFollower(session, new SyncOptions()).RunAsync(new Progress<SyncProgress>(), CancellationToken.None)).State == SyncState.Consistent;
                case "reverse" or "reverse-until":
                    await new ReverseFollower(session, new ReverseOptions { Follow = what == "reverse" }).RunAsync(new Progress<ReverseProgress>(), CancellationToken.None);
                    return true;
                case "compare":
                    var result = await new IntegrityChecker(session, new IntegrityOptions()).RunAsync(new Progress<IntegrityProgress>(), CancellationToken.None);
                    Worker.Say($"compared: {result.Outcome} {result.Reason} {string.Join("; ", result.Differences.Take(5).Select(d => $"{d.Kind} {d.Entity} {d.Key}"))}");
                    return result.Passed;
                default:
                    var to = Enum.Parse<RouteState>(what);
                    try
                    {
                        var switched = await new BackendSwitch(session, new SwitchOptions { To = to, Reason = "torture" }).RunAsync(new Worker.Lines<SwitchProgress>(p => p.Step), CancellationToken.None);
                        Worker.Say($"switched to {switched.Route.State}, stall {switched.Stall?.TotalMilliseconds:0} ms");
                        return switched.Route.State == to;
                    }
                    catch (MigrationException e) when (e.ErrorId is "SwitchGateClosed" or "SwitchNotEqual")
                    {
                        Worker.Say($"{e.ErrorId}: {e.Message}");
                        closed = true;
                        return false;
                    }
                    catch (MigrationException e) when (e.ErrorId is "StallLimitReached" or "SwitchBrokenOff")
                    {
                        throw new MigrationException(e.ErrorId, MigrationErrorKind.Busy, e.Message, null, e);
                    }
            }
        });
        return closed ? GateClosed : code;
    }
}
