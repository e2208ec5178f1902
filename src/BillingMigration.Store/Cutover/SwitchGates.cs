using System.Collections.Immutable;
using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Reverse;
using BillingMigration.Snapshot;
using BillingMigration.Source;
using BillingMigration.Source.Changes;
using BillingMigration.Store.DynamoDb;
using MySqlConnector;

namespace BillingMigration.Store.Cutover;

/// <summary>Looks at everything that must hold before applications are switched, and tells all of it at once.</summary>
internal sealed class SwitchGates(MigrationSession session, SwitchOptions options)
{
    private const string SnapshotGate = "Snapshot";
    private const string StoreGate = "Store";

    public static ImmutableArray<string> Names { get; } = [SnapshotGate, StoreGate, "Changes", "Integrity", "Rows", "Stream", "Jobs", "Source", "WayBack"];

    public async Task<ImmutableArray<SwitchGate>> LookAsync(Route route, StoreBackend to, CancellationToken cancellationToken)
    {
        var run = await session.Control.FindSnapshotAsync(cancellationToken);
        if (run is not { State: SnapshotState.Complete })
        {
            return [new SwitchGate(SnapshotGate, false, run is null ? "nothing has been exported yet; run Export-BillingSnapshot." : "the export is not complete; run Export-BillingSnapshot again.", CanForce: false)];
        }

        var gates = ImmutableArray.CreateBuilder<SwitchGate>();
        gates.Add(new SwitchGate(SnapshotGate, true, $"complete since {run.CompletedAt:u}.", CanForce: false));
        if (to == StoreBackend.DynamoDb)
        {
            gates.Add(await StoreAsync(cancellationToken));
            gates.Add(await ChangesAsync(run, cancellationToken));
            gates.Add(await IntegrityAsync(run, cancellationToken));
            gates.Add(await RowsAsync(run, cancellationToken));
            gates.Add(await StreamAsync(cancellationToken));
        }
        else
        {
            gates.Add(await IntegrityAsync(run, cancellationToken));
            gates.Add(await WayBackAsync(cancellationToken));
        }

        gates.Add(await JobsAsync(cancellationToken));
        gates.Add(await SourceAsync(route, to, cancellationToken));
        return gates.ToImmutable();
    }

    /// <summary>Before reads are made on the table as well: what cannot be done there would be reported as differences.</summary>
    public async Task<ImmutableArray<SwitchGate>> LookForShadowAsync(CancellationToken cancellationToken) => [await StoreAsync(cancellationToken)];

    private async Task<SwitchGate> StoreAsync(CancellationToken cancellationToken)
    {
        var gaps = (await StoreFit.CheckAsync(session, cancellationToken)).Where(g => g.IsRefused || g.IsLoose).ToArray();
        return gaps.Length == 0
            ? new SwitchGate(StoreGate, true, "rows of every entity can be read and written on the table.")
            : new SwitchGate(StoreGate, false, $"the table does not all that the source does for the applications: {string.Join(" ", gaps.Select(g => g.ToString()))} Pass over this gate only if no application needs it.");
    }

    private async Task<SwitchGate> ChangesAsync(SnapshotRun run, CancellationToken cancellationToken)
    {
        const string Name = "Changes";
        if (await session.Control.FindSyncAsync(run.RunId, cancellationToken) is not { } sync)
        {
            return new SwitchGate(Name, false, "no changes have been written yet; run Sync-BillingChanges.", CanForce: false);
        }

        if (sync.State != SyncState.Consistent)
        {
            return new SwitchGate(Name, false, "the table is converging, and not consistent at a position; run Sync-BillingChanges until it is.", CanForce: false);
        }

        await using var connection = await session.Source.OpenConnectionAsync(cancellationToken);
        var now = await SnapshotPosition.TakeEndAsync(connection, session.Source.Server, cancellationToken);
        var applied = sync.Seen ?? sync.Position;
        if (await SourceHistory.FindAsync(session.Source, connection, applied, anew: true, session.Time, cancellationToken) is not SourceHistoryState.Same)
        {
            return new SwitchGate(Name, false, "the source's binlog is not the one that was followed: it was begun anew, purged, or the server was restored; run Sync-BillingChanges, which says how to go on.", CanForce: false);
        }

        var lag = new StreamPoint(applied, applied).HasReached(now) ? TimeSpan.Zero : session.Time.GetUtcNow() - sync.SavedAt;
        return lag <= options.MaxLag
            ? new SwitchGate(Name, true, string.Create(CultureInfo.InvariantCulture, $"consistent, {lag.TotalSeconds:0} s behind."))
            : new SwitchGate(Name, false, string.Create(CultureInfo.InvariantCulture, $"up to {lag.TotalMinutes:0.#} minutes of changes are not written (-MaxLag {options.MaxLag.TotalMinutes:0.#}); run Sync-BillingChanges."));
    }

    private async Task<SwitchGate> IntegrityAsync(SnapshotRun run, CancellationToken cancellationToken)
    {
        const string Name = "Integrity";
        var good = await session.Control.FindGoodVerdictAsync(run.RunId, cancellationToken);
        var last = await session.Control.FindVerdictAsync(run.RunId, cancellationToken);
        if (good is null)
        {
            return new SwitchGate(Name, false, "no comparison of the whole table has passed yet; run Test-MigrationIntegrity.");
        }

        var age = session.Time.GetUtcNow() - good.EndedAt;
        // One that could not be decided, because much changed or it was broken off, says nothing; the drain compares again.
        return last is { Outcome: IntegrityOutcome.Failed } && last.EndedAt > good.EndedAt
                ? new SwitchGate(Name, false, $"the last comparison found {last.Differences} differences; run Test-MigrationIntegrity again, and mend what it names.")
            : age > options.MaxVerdictAge
                ? new SwitchGate(Name, false, string.Create(CultureInfo.InvariantCulture, $"the last comparison that passed is {age.TotalHours:0.#} hours old (-MaxVerdictAge {options.MaxVerdictAge.TotalHours:0.#}); run Test-MigrationIntegrity, or with -Since."))
                : new SwitchGate(Name, true, string.Create(CultureInfo.InvariantCulture, $"passed {age.TotalMinutes:0} minutes ago ({good.Method})."));
    }

    private async Task<SwitchGate> RowsAsync(SnapshotRun run, CancellationToken cancellationToken)
    {
        var setAside = (await session.Control.ListSetAsideAsync(run.RunId, 1_000, cancellationToken)).Length;
        return new SwitchGate(
            "Rows", setAside == 0,
            setAside == 0 ? "every row is an item." : $"{(setAside == 1_000 ? "1,000 or more" : setAside.ToString(CultureInfo.InvariantCulture))} rows were set aside, which applications will not find; Get-BillingMigration lists them.");
    }

    private async Task<SwitchGate> StreamAsync(CancellationToken cancellationToken) => await TableStream.FindArnAsync(session, cancellationToken) is null
        ? new SwitchGate("Stream", false, "the table has no stream with both images, and so there is no way back; run Initialize-BillingTable.", CanForce: false)
        : new SwitchGate("Stream", true, "enabled, with both images.", CanForce: false);

    private async Task<SwitchGate> JobsAsync(CancellationToken cancellationToken)
    {
        var held = (await session.Control.ListHeldLeasesAsync(cancellationToken)).Where(h => h.Job != Jobs.Switch).ToArray();
        return held.Length == 0
            ? new SwitchGate("Jobs", true, "no other is at work.", CanForce: false)
            : new SwitchGate("Jobs", false, $"{string.Join(", ", held.Select(h => $"{h.Job} by {h.Holder}"))}: stop it, the switch does its work itself while it lasts.", CanForce: false);
    }

    private async Task<SwitchGate> SourceAsync(Route route, StoreBackend to, CancellationToken cancellationToken)
    {
        const string Name = "Source";
        await using var connection = await session.Source.OpenConnectionAsync(cancellationToken);
        var isReadOnly = await Fence.IsReadOnlyAsync(connection, cancellationToken);
        var own = await session.Control.FindSwitchAsync(cancellationToken) is { Fence: SourceFence.ReadOnly };
        return to == StoreBackend.DynamoDb && route.Accepts && isReadOnly && !own
            ? new SwitchGate(Name, false, "the source is read-only already, and not by a switch: applications cannot be writing there. Find out why, and SET GLOBAL read_only = OFF.")
            : new SwitchGate(Name, true, $"answers, version {session.Source.Server.VersionText}.{await AboveFenceAsync(connection, to, cancellationToken)}");
    }

    private async Task<string> AboveFenceAsync(MySqlConnection connection, StoreBackend to, CancellationToken cancellationToken) =>
        to == StoreBackend.DynamoDb && options.Fence == SourceFence.ReadOnly && await Fence.AboveReadOnlyAsync(connection, session.Source.Server, cancellationToken) is { Length: > 0 } above
            ? $" The fence does not keep out who has READ_ONLY ADMIN: {string.Join(", ", above)}."
            : "";

    private async Task<SwitchGate> WayBackAsync(CancellationToken cancellationToken)
    {
        const string Name = "WayBack";
        if (await session.Control.FindReverseAsync(cancellationToken) is not { } reverse)
        {
            return new SwitchGate(Name, false, "nothing is written back: the applications were not switched by Switch-BillingBackend.", CanForce: false);
        }

        if (reverse.ToCompare)
        {
            return new SwitchGate(Name, false, "the stream does not have all changes, and the comparison that makes up for it is not through; run Sync-BillingChanges -Direction Reverse.", CanForce: false);
        }

        var setAside = await session.Control.ListReverseSetAsideAsync(cancellationToken);
        if (!setAside.IsEmpty)
        {
            return new SwitchGate(Name, false, $"{setAside.Length} rows were not taken by the source, {setAside[0].Entity} {setAside[0].Key} the first: {setAside[0].Reason} Correct them in the application.");
        }

        var lag = session.Time.GetUtcNow() - reverse.UpTo;
        return lag <= options.MaxLag
            ? new SwitchGate(Name, true, string.Create(CultureInfo.InvariantCulture, $"written back up to {lag.TotalSeconds:0} s ago."))
            : new SwitchGate(Name, false, string.Create(CultureInfo.InvariantCulture, $"what was written in the last {lag.TotalMinutes:0.#} minutes is not written back (-MaxLag {options.MaxLag.TotalMinutes:0.#}); run Sync-BillingChanges -Direction Reverse."));
    }
}
