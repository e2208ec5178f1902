using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Snapshot;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Source.Changes;
using BillingMigration.Target;

namespace BillingMigration.Sync;

/// <summary>Writes the changes that the source makes after a snapshot into the billing table, in the order of its binlog. Resumable at any instant.</summary>
public sealed class ChangeFollower(MigrationSession session, SyncOptions options)
{
    public MigrationSession Session { get; } = options.Follow ? session.WithoutLimit() : session;

    public SyncOptions Options { get; } = options;

    /// <summary>
    /// Runs until <see cref="SyncOptions.Until"/> is reached, or <see cref="SyncOptions.MaxDuration"/> is over. When cancelled it saves its checkpoint and
    /// throws within a second.
    /// </summary>
    /// <exception cref="OperationCanceledException">Cancelled; the same command goes on.</exception>
    /// <exception cref="MigrationException">Any trouble that does not pass by itself.</exception>
    public Task<SyncResult> RunAsync(IProgress<SyncProgress> progress, CancellationToken cancellationToken) =>
        SourceErrors.NameBrokenAsync(Session.Source.Source, () => RunOnceAsync(progress, cancellationToken), cancellationToken);

    private async Task<SyncResult> RunOnceAsync(IProgress<SyncProgress> progress, CancellationToken cancellationToken)
    {
        var started = Session.Time.GetTimestamp();
        using var stopReading = Options.MaxDuration is { } most ? new CancellationTokenSource(most, Session.Time) : new CancellationTokenSource();
        BoundTables tables;
        SourcePosition boundAt;
        await using (var connection = await Session.Source.OpenConnectionAsync(cancellationToken))
        {
            var settings = await SourceReplicationSettings.ReadAsync(connection, Session.Source.Server, cancellationToken);
            settings.EnsureUsable();
            boundAt = await SnapshotPosition.TakeEndAsync(connection, Session.Source.Server, cancellationToken);
            await SourceVisibility.WaitAsync(connection, Session.Source.Server, boundAt, Session.Time, cancellationToken);
            var model = (await SnapshotScope.BindAsync(Session, new SnapshotOptions(), connection, cancellationToken)).Model;
            if (model.Links.All.FirstOrDefault(l => l is { IsLookup: true, IsExact: false }) is { } inexact)
            {
                throw SyncErrors.LookupByText(inexact);
            }

            var charsets = model.All.SelectMany(e => e.Table.Columns).Select(c => c.CharacterSet).OfType<string>().Distinct();
            tables = new BoundTables(model, await CharsetTable.LoadAsync(connection, charsets, cancellationToken));
        }

        await using var lease = await Session.Control.AcquireLeaseAsync(Jobs.Sync, cancellationToken);
        if (!Options.IsOfSwitch)
        {
            (await Session.Control.FindRouteAsync(cancellationToken)).RequireSource("Writing the source's changes into the table");
        }

        var checkpoint = await FindCheckpointAsync(tables, cancellationToken);
        if (Options.Restart)
        {
            checkpoint = await FromNowAsync(checkpoint, tables, cancellationToken);
        }

        var setAside = new HashSet<string>(StringComparer.Ordinal);
        await foreach (var row in Session.Control.SetAsideAsync(checkpoint.RunId, cancellationToken))
        {
            setAside.Add(row.Entity);
        }

        await using var run = new SyncRun(Session, Options, checkpoint, tables, boundAt, setAside, lease, progress);
        var reached = await run.RunAsync(stopReading.Token, cancellationToken);
        return new SyncResult
        {
            Migration = Session.Definition.Name,
            Table = Session.Definition.Target.Table,
            RunId = checkpoint.RunId,
            Outcome = reached ? SyncOutcome.Reached : SyncOutcome.Stopped,
            State = run.State,
            Position = run.Position,
            Transactions = run.Transactions,
            Inserted = run.Counts.Inserted,
            Updated = run.Counts.Updated,
            Deleted = run.Counts.Deleted,
            ItemsPut = run.ItemsPut,
            ItemsDeleted = run.ItemsDeleted,
            Lag = run.Lag,
            Duration = Session.Time.GetElapsedTime(started),
            Requests = run.Metrics.Requests,
            ThrottledRequests = run.Metrics.Throttled,
            ConsumedWriteUnits = run.Metrics.ConsumedUnits,
            Refused = run.Refused,
            Untold = run.Untold,
        };
    }

    /// <summary>The run's checkpoint, or its start: before that nothing was missed, and what lies behind it may be written again.</summary>
    private async Task<SyncCheckpoint> FindCheckpointAsync(BoundTables tables, CancellationToken cancellationToken)
    {
        var run = await Session.Control.FindSnapshotAsync(cancellationToken);
        if (run is not { State: SnapshotState.Complete, End: { } end })
        {
            throw SyncErrors.SnapshotIncomplete(Session.Definition.Name, run);
        }

        SnapshotErrors.RequireModel(run, tables.Model);

        var found = await Session.Control.FindSyncAsync(run.RunId, cancellationToken)
            ?? First(run, end, tables).With(await Session.Control.ListRestartsAsync(run.RunId, cancellationToken));
        if (found.IsLast)
        {
            return found;
        }

        // After a crash the table may be ahead of the checkpoint, by no more than the source had written until now.
        await using var connection = await Session.Source.OpenConnectionAsync(cancellationToken);
        return found with { State = SyncState.Converging, Horizon = await SnapshotPosition.TakeEndAsync(connection, Session.Source.Server, cancellationToken) };
    }

    /// <summary>What was changed since the checkpoint is found by a comparison.</summary>
    private async Task<SyncCheckpoint> FromNowAsync(SyncCheckpoint checkpoint, BoundTables tables, CancellationToken cancellationToken)
    {
        await using var connection = await Session.Source.OpenConnectionAsync(cancellationToken);
        var start = await SnapshotPosition.TakeStartAsync(connection, Session.Source.Server, cancellationToken);
        return checkpoint with
        {
            Position = await SourceHistory.MarkAsync(Session.Source, connection, start, Session.Time, cancellationToken),
            Seen = null,
            PassedSnapshot = false,
            Horizon = await SnapshotPosition.TakeEndAsync(connection, Session.Source.Server, cancellationToken),
            FormerParents = [],
            ToCompare = [.. tables.Model.Entities.Select(e => e.Entity)],
            State = SyncState.Converging,
            IsLast = false,
        };
    }

    private SyncCheckpoint First(SnapshotRun run, SourcePosition end, BoundTables tables) => new()
    {
        IsLast = true,
        RunId = run.RunId,
        Position = run.Start,
        State = SyncState.Converging,
        Horizon = end,
        // Rows that were read from two servers: the first may have had transactions that the second never got. Items that were there before the run: it may not have written them all anew.
        ToCompare = run.Start.ServerIdentity == end.ServerIdentity && !run.Sweep ? [] : [.. tables.Model.Entities.Select(e => e.Entity)],
        SavedAt = Session.Time.GetUtcNow(),
    };
}
