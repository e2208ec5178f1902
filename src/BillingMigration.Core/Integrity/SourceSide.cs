using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Snapshot;
using BillingMigration.Source;
using BillingMigration.Transfer;
using MySqlConnector;

namespace BillingMigration.Integrity;

/// <summary>What becomes of the rows of one reader. Not called by two threads at a time.</summary>
internal interface IRowVisitor
{
    /// <summary>True when the rows seen wait for <see cref="FlushAsync"/>.</summary>
    bool IsFull { get; }

    /// <param name="item">The row's item as the only one of the batch; nothing in it when the row cannot be an item.</param>
    void Visit(int entity, RowBuffer row, ItemBatch item, in RowRefusal refusal);

    ValueTask FlushAsync(CancellationToken cancellationToken);

    /// <summary>A range has been shown in whole.</summary>
    void EndPart(int entity, SnapshotRange range);
}

/// <summary>Reads key ranges of the source, several at a time, each over a connection of its own, and shows every row to a visitor.</summary>
internal sealed class SourceSide
{
    private const int FirstPageRows = 500;
    private const int MaxPageRows = 10_000;
    private const int PageBytes = 4 * 1024 * 1024;

    private readonly MigrationSession session;
    private readonly ImmutableArray<EntityModel> models;
    private readonly TransferThrottle throttle;
    private readonly SourceLoadGate gate;
    private readonly int readers;
    private readonly int pageLimit;
    private int waiting;

    public SourceSide(MigrationSession session, ImmutableArray<EntityModel> models, double? rowsPerSecond)
    {
        this.session = session;
        this.models = models;
        var limits = session.Definition.Throttle;
        limits = limits with { RowsPerSecond = rowsPerSecond ?? limits.RowsPerSecond };
        throttle = new TransferThrottle(limits, session.Time);
        gate = new SourceLoadGate(limits.MaxThreadsRunning, session.Time);
        readers = limits.Readers;
        pageLimit = (int)Math.Clamp(limits.RowsPerSecond ?? MaxPageRows, 1, MaxPageRows);
    }

    /// <summary>What the readers wait for, if anything.</summary>
    public string? Waiting => gate.IsWaiting ? "the source is busy (Threads_running)"
        : Volatile.Read(ref waiting) > 0 ? "the source does not answer: trying again"
        : throttle.State.ToString();

    /// <summary>Shows every row of the ranges to the visitor of its reader.</summary>
    /// <param name="stopReading">No range is begun after it.</param>
    public async Task ReadAsync(
        IEnumerable<(int Entity, SnapshotRange Range)> ranges, Func<IRowVisitor> visitor, CancellationToken stopReading, CancellationToken abort)
    {
        using var left = ranges.GetEnumerator();
        bool Next(out (int Entity, SnapshotRange Range) next)
        {
            lock (left)
            {
                next = default;
                var found = !stopReading.IsCancellationRequested && left.MoveNext();
                next = found ? left.Current : default;
                return found;
            }
        }

        await Parallel.ForAsync(0, readers, new ParallelOptions { MaxDegreeOfParallelism = readers, CancellationToken = abort }, async (_, token) =>
        {
            await using var reader = new Reader(this, visitor());
            while (Next(out var next))
            {
                await reader.ReadRangeAsync(next.Entity, next.Range, token);
                reader.EndPart(next.Entity, next.Range);
            }
        });
    }

    /// <summary>One reader: a connection, and the range that it is in.</summary>
    private sealed class Reader(SourceSide side, IRowVisitor visitor) : IAsyncDisposable
    {
        private readonly SourceRetry retry = new(side.session.Source, side.session.Retry.GiveUpAfter, side.session.Time);
        private readonly ItemBatch item = new();
        private MySqlConnection? connection;
        private int entity = -1;
        private SelectStatement statement = null!;
        private RowReader rows = null!;
        private ItemEncoder encoder = null!;
        private RowBuffer row = null!;
        private ImmutableArray<string>? last;
        private int pageRows;

        public async ValueTask DisposeAsync()
        {
            await CloseAsync();
            item.Dispose();
        }

        public void EndPart(int number, SnapshotRange range) => visitor.EndPart(number, range);

        public async Task ReadRangeAsync(int number, SnapshotRange range, CancellationToken abort)
        {
            Bind(number);
            last = range.From;
            pageRows = FirstPageRows;
            for (var more = true; more;)
            {
                more = await TryPageAsync(range, abort);
                await visitor.FlushAsync(abort);
            }
        }

        private void Bind(int number)
        {
            if (number != entity)
            {
                var model = side.models[number];
                entity = number;
                statement = new SelectStatement(model);
                rows = new RowReader(model, statement);
                encoder = new ItemEncoder(model);
                row = new RowBuffer(model.Row.Length);
            }
        }

        /// <returns>True when the range goes on.</returns>
        private async Task<bool> TryPageAsync(SnapshotRange range, CancellationToken abort)
        {
            while (true)
            {
                try
                {
                    var more = await PageAsync(range, abort);
                    retry.Succeeded();
                    return more;
                }
                catch (Exception e) when (!abort.IsCancellationRequested && (e is MySqlException || SourceErrors.IsTransient(e)))
                {
                    await CloseAsync();
                    if (e is MySqlException mysql && SourceErrors.FromStatement(mysql, side.models[entity].Table.Name) is { } final)
                    {
                        throw final;
                    }

                    Interlocked.Increment(ref side.waiting);
                    try
                    {
                        await retry.WaitAsync(e, abort);
                    }
                    finally
                    {
                        Interlocked.Decrement(ref side.waiting);
                    }
                }
            }
        }

        private async Task<bool> PageAsync(SnapshotRange range, CancellationToken abort)
        {
            connection ??= await side.session.Source.OpenConnectionAsync(abort);
            await side.gate.WaitAsync(connection, abort);
            var limit = Math.Min(pageRows, side.pageLimit);
            await side.throttle.AcquireRowsAsync(limit, abort);
            await using var command = new MySqlCommand(statement.Page(last, range.To, limit), connection);
            await using var result = await command.ExecuteReaderAsync(abort);
            var read = 0;
            long bytes = 0;
            try
            {
                while (!visitor.IsFull && await result.ReadAsync(abort))
                {
                    rows.Read(result, row);
                    read++;
                    bytes += Show();
                }
            }
            finally
            {
                if (read > 0)
                {
                    // Also when the connection breaks later in the page: no row is shown twice.
                    last = rows.Key(row);
                }
            }

            if (visitor.IsFull)
            {
                return true;
            }

            pageRows = read == 0 ? FirstPageRows : (int)Math.Clamp(PageBytes / Math.Max(1, bytes / read), 50, MaxPageRows);
            return read >= limit;
        }

        [MethodImpl(HotPath.Optimized)]
        private int Show()
        {
            item.Clear();
            encoder.TryEncode(row, item, out var refusal);
            visitor.Visit(entity, row, item, refusal);
            return Math.Max(256, item.ByteLength);
        }

        private async ValueTask CloseAsync()
        {
            if (connection is { } open)
            {
                connection = null;
                await open.DisposeAsync();
            }
        }
    }
}
