using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Target;
using MySqlConnector;

namespace BillingMigration.Sync;

/// <summary>What a cascade's children are written with.</summary>
internal interface ICascadeWriter
{
    ChangeWindow Window { get; }

    /// <summary>Rows were read that the stream has not reached: the table is consistent again when it has passed the position.</summary>
    void ReadAhead(SourcePosition position);

    /// <summary>Makes room when the window is full.</summary>
    ValueTask MakeRoomAsync(CancellationToken cancellationToken);
}

/// <summary>
/// Follows the foreign keys that the binlog does not: finds the children of parent rows that changed in the table, and reads each again from the source,
/// which has the last word on what became of it. Not thread-safe.
/// </summary>
internal sealed class CascadeFollower(MigrationSession session, CascadePlan plan, ItemReader target, bool setAside) : IAsyncDisposable
{
    private const int RowsPerRead = 200;
    private const int MostLookups = 16;
    private const int MostFound = 1_000;
    private const int ScanSegments = 4;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    private readonly Dictionary<EntityModel, ChildAccess> children = [];
    private MySqlConnection? connection;

    private sealed class ChildAccess(EntityModel model)
    {
        public EntityModel Model { get; } = model;

        public SelectStatement Select { get; } = new(model);

        public ItemEncoder Encoder { get; } = new(model);
    }

    /// <summary>A child as the table has it.</summary>
    private readonly record struct Found(CascadeTrigger Trigger, RowBuffer Row);

    /// <param name="triggers">Of one transaction or of several; all of their own changes are written.</param>
    /// <param name="at">Position of the last transaction's end: the source must show it to readers first.</param>
    public async Task RunAsync(IEnumerable<CascadeTrigger> triggers, SourcePosition at, ICascadeWriter writer, CancellationToken cancellationToken)
    {
        try
        {
            connection ??= await session.Source.OpenConnectionAsync(cancellationToken);
            await WaitUntilVisibleAsync(connection, at, cancellationToken);
            var seen = new HashSet<string>();
            var level = triggers.Where(t => seen.Add(t.Identity)).ToList();
            while (level.Count > 0)
            {
                var below = new List<CascadeTrigger>();
                await FollowAsync(level, connection, writer, below, cancellationToken);
                level = [.. below.Where(t => seen.Add(t.Identity))];
            }
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (connection is { } open)
        {
            connection = null;
            await open.DisposeAsync();
        }
    }

    // The start of a snapshot is by its nature a position that every later read sees.
    private async Task WaitUntilVisibleAsync(MySqlConnection source, SourcePosition at, CancellationToken cancellationToken)
    {
        // MySQL with GTIDs tells what is visible by its set alone.
        var wanted = at is { Flavor: SourceFlavor.MySql, Gtid: not null } ? at with { File = null, Offset = null } : at;
        while (true)
        {
            var shown = await SnapshotPosition.TakeStartAsync(source, session.Source.Server, cancellationToken);
            if (new StreamPoint(shown, shown).HasReached(wanted))
            {
                return;
            }

            await Task.Delay(Pause, session.Time, cancellationToken);
        }
    }

    /// <summary>Looks for the children of many parents at the same time, and reads those that are found again while others are looked for.</summary>
    private async Task FollowAsync(
        List<CascadeTrigger> level, MySqlConnection source, ICascadeWriter writer, List<CascadeTrigger> below, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var found = Channel.CreateBounded<Found>(MostFound);
        var looking = Parallel.ForEachAsync(
            level, new ParallelOptions { MaxDegreeOfParallelism = MostLookups, CancellationToken = stop.Token }, (trigger, token) => FindAsync(trigger, found.Writer, token));
        var end = looking.ContinueWith(
            done => found.Writer.Complete(done.Exception?.InnerException), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        try
        {
            var waiting = new Dictionary<EntityModel, List<Found>>();
            await foreach (var one in found.Reader.ReadAllAsync(cancellationToken))
            {
                var child = one.Trigger.Link.Child;
                (waiting.TryGetValue(child, out var rows) ? rows : waiting[child] = []).Add(one);
                if (waiting[child].Count == RowsPerRead)
                {
                    await ReadAgainAsync(child, waiting[child], source, writer, below, cancellationToken);
                    waiting[child].Clear();
                }
            }

            cancellationToken.ThrowIfCancellationRequested();
            foreach (var (child, rows) in waiting.Where(w => w.Value.Count > 0))
            {
                await ReadAgainAsync(child, rows, source, writer, below, cancellationToken);
            }

            // Children whose own key holds the parent's are not found again under the old one.
            foreach (var trigger in level.Where(t => t.New is not null && t.Link.MovesPrimaryKey))
            {
                var statement = Child(trigger.Link.Child).Select.ByColumns(trigger.Link.ChildColumns, trigger.New!.Value);
                await PutAsync(Child(trigger.Link.Child), await ReadAsync(trigger.Link.Child, statement, source, cancellationToken), source, writer, cancellationToken);
            }
        }
        finally
        {
            await stop.CancelAsync();
            await end;
        }
    }

    private async ValueTask FindAsync(CascadeTrigger trigger, ChannelWriter<Found> found, CancellationToken cancellationToken)
    {
        var child = trigger.Link.Child;
        var decoder = new ItemDecoder(child);
        await foreach (var item in FindAsync(child, trigger, cancellationToken))
        {
            if (EntityOf(item.Span) != child.Entity)
            {
                continue;
            }

            var row = new RowBuffer(child.Row.Length);
            decoder.Decode(item.Span, row);
            if (Refers(child, row, trigger))
            {
                await found.WriteAsync(new Found(trigger, row), cancellationToken);
            }
        }
    }

    private async Task ReadAgainAsync(
        EntityModel model, List<Found> old, MySqlConnection source, ICascadeWriter writer, List<CascadeTrigger> below, CancellationToken cancellationToken)
    {
        var child = Child(model);
        var known = old.DistinctBy(f => KeyOf(model, f.Row)).Select(f => f.Row).ToList();
        var current = await ReadAsync(model, child.Select.ByKeys(known), source, cancellationToken);
        foreach (var (trigger, row) in old)
        {
            writer.Window.TryDelete(child.Encoder, row, out _);
            plan.CollectBelow(trigger, row, current.GetValueOrDefault(KeyOf(model, row)), below);
            await writer.MakeRoomAsync(cancellationToken);
        }

        await PutAsync(child, current, source, writer, cancellationToken);
    }

    private async Task PutAsync(ChildAccess child, Dictionary<string, RowBuffer> current, MySqlConnection source, ICascadeWriter writer, CancellationToken cancellationToken)
    {
        writer.ReadAhead(await SnapshotPosition.TakeEndAsync(source, session.Source.Server, cancellationToken));
        foreach (var now in current.Values)
        {
            ChangeReader.Put(writer.Window, child.Encoder, now, setAside);
            await writer.MakeRoomAsync(cancellationToken);
        }
    }

    private ChildAccess Child(EntityModel model)
    {
        if (!children.TryGetValue(model, out var child))
        {
            children.Add(model, child = new ChildAccess(model));
        }

        return child;
    }

    private async Task<Dictionary<string, RowBuffer>> ReadAsync(EntityModel model, string statement, MySqlConnection source, CancellationToken cancellationToken)
    {
        var rows = new Dictionary<string, RowBuffer>();
        var copier = new RowReader(model, Child(model).Select);
        await using var command = new MySqlCommand(statement, source);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var row = new RowBuffer(model.Row.Length);
            copier.Read(reader, row);
            rows[KeyOf(model, row)] = row;
        }

        return rows;
    }

    /// <summary>Items among which are all that had the old values: by the table's own key, an index's, or else all.</summary>
    private IAsyncEnumerable<ReadOnlyMemory<byte>> FindAsync(EntityModel child, CascadeTrigger trigger, CancellationToken cancellationToken)
    {
        // Texts that a collation takes for equal make different keys.
        if (!trigger.Link.ChildColumns.Any(c => child.Row[c].Column.CharacterSet is not null))
        {
            var row = new RowBuffer(child.Row.Length);
            for (var i = 0; i < row.Count; i++)
            {
                row.SetNull(i);
            }

            for (var i = 0; i < trigger.Old.Length; i++)
            {
                row.Set(trigger.Link.ChildColumns[i], trigger.Old[i]);
            }

            foreach (var key in child.Keys.Where(k => k.When is null && HoldsWhole(k)))
            {
                var text = new ScratchBuffer();
                if (key.PartitionKey[0].HasValue(row) && key.PartitionKey[0].TryRender(row, text, out _))
                {
                    var value = Encoding.UTF8.GetString(text.Written);
                    return key.Index is null ? target.QueryPartitionAsync(value, null, cancellationToken) : target.QueryIndexAsync(key.Index, key.PartitionKeyAttribute, value, cancellationToken);
                }
            }
        }

        return target.ScanAsync(ScanSegments, cancellationToken);
    }

    private bool HoldsWhole(KeyModel key) => key.Index is null || session.Definition.Indexes.First(i => i.Name == key.Index).Include is null;

    private static bool Refers(EntityModel child, RowBuffer row, CascadeTrigger trigger)
    {
        for (var i = 0; i < trigger.Old.Length; i++)
        {
            var column = trigger.Link.ChildColumns[i];
            if (row.IsNull(column) || !(child.Row[column].Column.CharacterSet is null ? row[column].SequenceEqual(trigger.Old[i]) : SameText(row[column], trigger.Old[i])))
            {
                return false;
            }
        }

        return true;
    }

    // Generously: a child that does not refer to the parent is read again for nothing.
    private static bool SameText(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other) => CultureInfo.InvariantCulture.CompareInfo.Compare(
        Encoding.UTF8.GetString(one).TrimEnd(' '), Encoding.UTF8.GetString(other).TrimEnd(' '), CompareOptions.IgnoreCase | CompareOptions.IgnoreNonSpace) == 0;

    private static string KeyOf(EntityModel model, RowBuffer row) => string.Join('\0', model.PrimaryKey.Select(i => KeyText.Of(model.Row[i].Column, row[i])));

    private static string? EntityOf(ReadOnlySpan<byte> item)
    {
        var json = new Utf8JsonReader(item);
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var found = json.ValueTextEquals(EntityModel.EntityAttribute);
            json.Read();
            if (found)
            {
                json.Read();
                json.Read();
                return json.GetString();
            }

            json.Skip();
        }

        return null;
    }
}
