using System.Collections.Immutable;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Transfer;
using MySqlConnector;

namespace BillingMigration.Snapshot;

/// <summary>Reads ranges over one connection, encodes their rows and hands them to the writers. One reader task each.</summary>
internal sealed class RangeExporter : IAsyncDisposable
{
    private const int FirstPageRows = 500;
    private const int MaxPageRows = 10_000;

    // A page is what one SELECT returns: about this many bytes of items, so that no read view is held for long.
    private const int PageBytes = 4 * 1024 * 1024;

    private readonly SourceConnections source;
    private readonly SourcePosition start;
    private readonly WriterPool writers;
    private readonly TransferThrottle throttle;
    private readonly SourceLoadGate gate;
    private readonly SourceRetry retry;
    private readonly int pageLimit;
    private MySqlConnection? connection;

    public RangeExporter(
        SourceConnections source, SourcePosition start, WriterPool writers, TransferThrottle throttle, SourceLoadGate gate, SourceRetry retry, double? rowsPerSecond)
    {
        this.source = source;
        this.start = start;
        this.writers = writers;
        this.throttle = throttle;
        this.gate = gate;
        this.retry = retry;
        pageLimit = (int)Math.Clamp(rowsPerSecond ?? MaxPageRows, 1, MaxPageRows);
    }

    /// <summary>Reads the range from its cursor to its end.</summary>
    /// <param name="stopReading">Ends the reading after the current batch; what was read is still written.</param>
    /// <param name="abort">Ends everything at once.</param>
    /// <returns>False when stopped before the end.</returns>
    public async Task<bool> ExportAsync(EntityModel model, RangeTracker range, CancellationToken stopReading, CancellationToken abort)
    {
        var reading = new Reading(model, range);
        reading.Batch = writers.Rent();
        while (true)
        {
            try
            {
                var more = await ReadPageAsync(reading, stopReading, abort);
                retry.Succeeded();
                if (more)
                {
                    continue;
                }

                await FlushAsync(reading, abort);
                writers.Return(reading.Batch);
                if (!reading.AtEnd)
                {
                    return false;
                }

                range.EndOfRange();
                return true;
            }
            catch (Exception e) when (!abort.IsCancellationRequested && (e is MySqlException || SourceErrors.IsTransient(e)))
            {
                await CloseAsync();
                if (e is MySqlException mysql && SourceErrors.FromStatement(mysql, model.Table.Name) is { } final)
                {
                    throw final;
                }

                await retry.WaitAsync(e, abort);
            }
        }
    }

    public async ValueTask DisposeAsync() => await CloseAsync();

    /// <summary>What is under way in one range.</summary>
    private sealed class Reading(EntityModel model, RangeTracker range)
    {
        public EntityModel Model { get; } = model;

        public RangeTracker Range { get; } = range;

        public SelectStatement Statement { get; } = new(model);

        public ItemEncoder Encoder { get; } = new(model);

        public RowBuffer Row { get; } = new(model.Row.Length);

        public RowReader? Reader { get; set; }

        public ItemBatch Batch { get; set; } = null!;

        public List<SetAsideRow> Refused { get; set; } = [];

        public int RowsInBatch { get; set; }

        /// <summary>Key of the last row read, which is further than what is written.</summary>
        public ImmutableArray<string>? LastRead { get; set; } = range.Start.Cursor ?? range.Start.From;

        public int PageRows { get; set; } = FirstPageRows;

        public bool AtEnd { get; set; }
    }

    private async Task<bool> ReadPageAsync(Reading reading, CancellationToken stopReading, CancellationToken abort)
    {
        if (stopReading.IsCancellationRequested)
        {
            return false;
        }

        connection ??= await ConnectAsync(abort);
        await gate.WaitAsync(connection, abort);
        var limit = Math.Min(reading.PageRows, pageLimit);
        await throttle.AcquireRowsAsync(limit, abort);
        reading.Reader ??= new RowReader(reading.Model, reading.Statement);
        await using var command = new MySqlCommand(reading.Statement.Page(reading.LastRead, reading.Range.Start.To, limit), connection);
        await using var rows = await command.ExecuteReaderAsync(abort);
        var read = 0;
        long bytes = 0;
        try
        {
            while (await rows.ReadAsync(abort))
            {
                reading.Reader.Read(rows, reading.Row);
                read++;
                bytes += Encode(reading);
                if (!reading.Batch.IsFull)
                {
                    continue;
                }

                await FlushAsync(reading, abort);
                if (stopReading.IsCancellationRequested)
                {
                    return false;
                }
            }
        }
        finally
        {
            if (read > 0)
            {
                // Also when the connection breaks later in the page: the next page begins behind this row.
                reading.LastRead = reading.Reader.Key(reading.Row);
                retry.Succeeded();
            }
        }

        reading.PageRows = read == 0 ? FirstPageRows : (int)Math.Clamp(PageBytes / Math.Max(1, bytes / read), 50, MaxPageRows);
        reading.AtEnd = read < limit;
        return !reading.AtEnd;
    }

    private static int Encode(Reading reading)
    {
        reading.RowsInBatch++;
        if (reading.Encoder.TryEncode(reading.Row, reading.Batch, out var refusal))
        {
            return reading.Encoder.ItemBytes;
        }

        reading.Refused.Add(new SetAsideRow(reading.Model.Entity, reading.Model.Describe(reading.Row), refusal.ReasonId, refusal.Reason));
        return 256;
    }

    private async ValueTask FlushAsync(Reading reading, CancellationToken abort)
    {
        if (reading.RowsInBatch == 0)
        {
            return;
        }

        var portion = new RangeTracker.Portion
        {
            LastKey = reading.Reader!.Key(reading.Row),
            Rows = reading.RowsInBatch,
            Items = reading.Batch.Count,
            Bytes = reading.Batch.ByteLength,
            Refused = reading.Refused,
        };
        reading.RowsInBatch = 0;
        reading.Refused = [];
        await reading.Range.OpenAsync(portion, abort);
        if (portion.Items == 0)
        {
            reading.Range.Close(portion, []);
            return;
        }

        var batch = reading.Batch;
        reading.Batch = writers.Rent();
        await writers.SendAsync(batch, reading.Range, portion, abort);
    }

    private async Task<MySqlConnection> ConnectAsync(CancellationToken cancellationToken)
    {
        var opened = await source.OpenConnectionAsync(cancellationToken);
        var identity = await SourceConnections.ScalarAsync(
            opened, source.Server.Flavor == SourceFlavor.MySql ? "SELECT @@server_uuid" : "SELECT @@server_id", cancellationToken);
        if (await SnapshotPosition.IsReachedAsync(opened, source.Server with { Identity = identity ?? "" }, start, cancellationToken))
        {
            return opened;
        }

        await opened.DisposeAsync();
        throw SnapshotErrors.SourceBehindStart(source.Source, start);
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
