using System.Collections.Immutable;
using System.Globalization;
using BillingMigration.Model;
using BillingMigration.Snapshot;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Target;
using BillingMigration.Transfer;
using MySqlConnector;

namespace BillingMigration.Sync.Cascades;

/// <summary>
/// Carries out cascades that the source does not log. What may have changed is found in the billing table by the parent's old key, and read again
/// from the source by primary key: there it is as it is now, or gone. Rows read again may be newer than the stream; the stream catches up with them.
/// Not thread-safe.
/// </summary>
internal sealed class CascadeReplayer : IAsyncDisposable
{
    private const int MostLookups = 16;
    private static readonly TimeSpan VisibilityPause = TimeSpan.FromMilliseconds(5);

    private readonly MigrationSession session;
    private readonly BatchWriter writer;
    private readonly ItemReader items;
    private readonly CandidateReader candidates;
    private readonly ImmutableArray<CascadeLink> links;
    private readonly Dictionary<EntityModel, SourceRows> sources = [];
    private readonly List<CascadeChange> pending = [];
    private MySqlConnection? connection;

    /// <exception cref="MigrationException"><c>CascadeNotFollowed</c> when the source does not log cascades and one cannot be derived.</exception>
    public CascadeReplayer(MigrationSession session, BillingModel model, SourceReplicationSettings settings, BatchWriter writer)
    {
        this.session = session;
        this.writer = writer;
        items = new ItemReader(session.Target, session.Definition.Target.Table, new TransferMetrics(), session.Retry, session.Time);
        candidates = new CandidateReader(items);
        // Where cascades are logged now, older parts of the stream may not have them: every event says it of itself.
        links = settings.ForeignKeyLogging == ForeignKeyLogging.ParentOnly ? CascadeLink.Of(model) : LoggedLinks(model);
    }

    public bool HasPending => pending.Count > 0;

    /// <summary>True when a change of the entity's rows may cascade.</summary>
    public bool Concerns(EntityModel parent) => links.Any(l => l.Parent == parent);

    /// <summary>What hangs on a row that was deleted (<paramref name="after"/> null) or updated by an event whose cascades are not logged.</summary>
    public IEnumerable<CascadeChange> ChangesOf(EntityModel parent, RowBuffer before, RowBuffer? after)
    {
        foreach (var link in links)
        {
            if (link.Parent == parent && CascadeChange.Of(link, before, after) is { } change)
            {
                yield return change;
            }
        }
    }

    /// <summary>Takes note of changes of a transaction that is committed; those of a prepared one wait for its XA COMMIT.</summary>
    public void Note(IEnumerable<CascadeChange> changes) => pending.AddRange(changes);

    /// <summary>Carries out what was noted. Every change up to <paramref name="upTo"/> is in the table.</summary>
    /// <param name="upTo">Behind the last transaction that was noted.</param>
    /// <returns>A position that the stream must pass before the rows read here are those of the stream.</returns>
    public async Task<SourcePosition> ReplayAsync(SourcePosition upTo, CancellationToken cancellationToken)
    {
        var retry = new SourceRetry(session.Source, session.Retry.GiveUpAfter, session.Time);
        while (true)
        {
            try
            {
                var horizon = await ReplayOnceAsync(upTo, cancellationToken);
                pending.Clear();
                return horizon;
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested && SourceErrors.IsTransient(e))
            {
                await CloseAsync();
                await retry.WaitAsync(e, cancellationToken);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        items.Dispose();
    }

    private static ImmutableArray<CascadeLink> LoggedLinks(BillingModel model)
    {
        try
        {
            return CascadeLink.Of(model);
        }
        catch (MigrationException e) when (e.ErrorId == "CascadeNotFollowed")
        {
            return [];
        }
    }

    private async Task<SourcePosition> ReplayOnceAsync(SourcePosition upTo, CancellationToken cancellationToken)
    {
        connection ??= await session.Source.OpenConnectionAsync(cancellationToken);
        var locking = false;
        SourcePosition? snapshot = null;
        if (upTo.Flavor == SourceFlavor.MariaDb)
        {
            snapshot = await SnapshotBehindAsync(connection, upTo, cancellationToken);
        }
        else if (upTo.Gtid is { } executed)
        {
            await WaitUntilVisibleAsync(connection, executed, cancellationToken);
        }
        else
        {
            locking = true;
        }

        try
        {
            await FollowAsync(connection, locking, cancellationToken);
        }
        finally
        {
            if (snapshot is not null && !cancellationToken.IsCancellationRequested)
            {
                await ExecuteAsync(connection, "ROLLBACK", cancellationToken);
            }
        }

        return snapshot ?? await SnapshotPosition.TakeEndAsync(connection, session.Source.Server, cancellationToken);
    }

    /// <summary>Level by level: the children of what was noted, then theirs.</summary>
    private async Task FollowAsync(MySqlConnection source, bool locking, CancellationToken cancellationToken)
    {
        var seen = new HashSet<(string Entity, ItemKey Key, string Link)>();
        var level = pending.ToList();
        while (level.Count > 0)
        {
            var found = await FindAsync(level, cancellationToken);
            var next = new List<CascadeChange>();
            foreach (var (change, candidate) in found)
            {
                foreach (var link in links.Where(l => l.Parent == candidate.Entity))
                {
                    if (change.Below(link, candidate.Row) is { } below && seen.Add((candidate.Entity.Entity, candidate.Key, link.Key.Name)))
                    {
                        next.Add(below);
                    }
                }
            }

            foreach (var group in found.Select(f => f.Candidate).GroupBy(c => c.Entity))
            {
                await RereadAsync(source, group.Key, [.. group], locking, cancellationToken);
            }

            foreach (var moved in level.Where(c => c.New is not null && c.Link.MovesPrimaryKey))
            {
                var rows = await Source(moved.Link.Child).ReadReferencingAsync(source, moved.Link, moved.New!.Value, locking, cancellationToken);
                await WriteAsync(new Dictionary<ItemKey, byte[]?>(), rows.Values, moved.Link.Child, cancellationToken);
            }

            level = next;
        }
    }

    private async Task<List<(CascadeChange Change, Candidate Candidate)>> FindAsync(List<CascadeChange> changes, CancellationToken cancellationToken)
    {
        var found = new List<(CascadeChange, Candidate)>();
        await Parallel.ForEachAsync(changes, new ParallelOptions { MaxDegreeOfParallelism = MostLookups, CancellationToken = cancellationToken }, async (change, token) =>
        {
            var children = await candidates.FindAsync(change, token);
            lock (found)
            {
                found.AddRange(children.Select(c => (change, c)));
            }
        });
        return found;
    }

    private async Task RereadAsync(MySqlConnection source, EntityModel entity, List<Candidate> old, bool locking, CancellationToken cancellationToken)
    {
        var rows = await Source(entity).ReadAsync(source, old.Select(c => c.Row), locking, cancellationToken);
        // Gone, or under another key now.
        var leaving = new Dictionary<ItemKey, byte[]?>();
        foreach (var candidate in old)
        {
            leaving[candidate.Key] = null;
        }

        await WriteAsync(leaving, rows.Values, entity, cancellationToken);
    }

    private async Task WriteAsync(Dictionary<ItemKey, byte[]?> operations, IEnumerable<FoundRow> rows, EntityModel entity, CancellationToken cancellationToken)
    {
        foreach (var row in rows)
        {
            operations[row.Item is null ? throw Refused(entity, row) : row.Key] = row.Item;
        }

        await Parallel.ForEachAsync(
            operations.Chunk(ItemBatch.MaxItems),
            new ParallelOptions { MaxDegreeOfParallelism = MostLookups, CancellationToken = cancellationToken },
            async (part, token) =>
            {
                using var batch = new ItemBatch();
                foreach (var (key, item) in part)
                {
                    if (item is null)
                    {
                        batch.AddDelete(key.PartitionKey, key.SortKey);
                    }
                    else
                    {
                        batch.Add(item);
                    }
                }

                var result = await writer.WriteAsync(batch, token);
                if (result.Rejected is [var rejected, ..])
                {
                    throw Refused(entity, new FoundRow(new RowBuffer(0), null, default, new RowRefusal("RejectedByTable", rejected.Message)));
                }
            });
    }

    private SourceRows Source(EntityModel entity)
    {
        if (!sources.TryGetValue(entity, out var rows))
        {
            sources[entity] = rows = new SourceRows(entity);
        }

        return rows;
    }

    private static MigrationException Refused(EntityModel entity, FoundRow row) => new(
        "RowsRefused", MigrationErrorKind.DataRefused,
        $"A row of {entity.Table.Name} that a cascade changed cannot be an item: {(row.Row.Count > 0 ? entity.Describe(row.Row) + ": " : "")}{row.Refusal.Reason}. Put the row right in the source and run the same command again.",
        entity.Entity);

    /// <summary>A transaction of MariaDB that sees everything up to a position: the binlog runs ahead of what is visible.</summary>
    private async Task<SourcePosition> SnapshotBehindAsync(MySqlConnection source, SourcePosition upTo, CancellationToken cancellationToken)
    {
        while (true)
        {
            await ExecuteAsync(source, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", cancellationToken);
            await ExecuteAsync(source, "START TRANSACTION WITH CONSISTENT SNAPSHOT", cancellationToken);
            var seen = await SnapshotPosition.OfConsistentSnapshotAsync(source, session.Source.Server, cancellationToken);
            if (BinlogPlace.Of(seen) >= BinlogPlace.Of(upTo))
            {
                return seen;
            }

            await ExecuteAsync(source, "ROLLBACK", cancellationToken);
            await Task.Delay(VisibilityPause, session.Time, cancellationToken);
        }
    }

    // gtid_executed takes a transaction up after it has become visible.
    private static async Task WaitUntilVisibleAsync(MySqlConnection source, string executed, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand("SELECT WAIT_FOR_EXECUTED_GTID_SET(@set, 10)", source);
        command.Parameters.AddWithValue("@set", executed);
        while (Convert.ToInt32(await command.ExecuteScalarAsync(cancellationToken), CultureInfo.InvariantCulture) != 0)
        {
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    private static async Task ExecuteAsync(MySqlConnection source, string sql, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand(sql, source);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private async ValueTask CloseAsync()
    {
        if (connection is not null)
        {
            await connection.DisposeAsync();
            connection = null;
        }
    }
}
