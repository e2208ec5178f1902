using System.Globalization;
using System.Text;
using System.Text.Json;
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
    Task ReadAheadAsync(SourcePosition position, CancellationToken cancellationToken);

    /// <summary>Makes room when the window is full.</summary>
    ValueTask MakeRoomAsync(CancellationToken cancellationToken);
}

/// <summary>
/// Follows the foreign keys that the binlog does not: finds the children of a parent row that changed in the table, and reads each again from the source,
/// which has the last word on what became of it.
/// </summary>
internal sealed class CascadeFollower(MigrationSession session, CascadePlan plan, ItemReader target, bool setAside)
{
    private const int RowsPerRead = 200;
    private const int ScanSegments = 4;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    private readonly Dictionary<EntityModel, ChildAccess> children = [];

    private sealed class ChildAccess(EntityModel model)
    {
        public EntityModel Model { get; } = model;

        public SelectStatement Select { get; } = new(model);

        public ItemDecoder Decoder { get; } = new(model);

        public ItemEncoder Encoder { get; } = new(model);
    }

    /// <param name="triggers">Of one transaction.</param>
    /// <param name="at">Position of the transaction's end: the source must show it to readers first.</param>
    public async Task RunAsync(IEnumerable<CascadeTrigger> triggers, SourcePosition at, ICascadeWriter writer, CancellationToken cancellationToken)
    {
        await using var connection = await session.Source.OpenConnectionAsync(cancellationToken);
        await WaitUntilVisibleAsync(connection, at, cancellationToken);
        var queue = new Queue<CascadeTrigger>(triggers);
        var seen = new HashSet<string>();
        while (queue.TryDequeue(out var trigger))
        {
            if (seen.Add(trigger.Identity))
            {
                await FollowAsync(trigger, connection, writer, queue, cancellationToken);
            }
        }
    }

    // The start of a snapshot is by its nature a position that every later read sees.
    private async Task WaitUntilVisibleAsync(MySqlConnection connection, SourcePosition at, CancellationToken cancellationToken)
    {
        // MySQL with GTIDs tells what is visible by its set alone.
        var wanted = at is { Flavor: SourceFlavor.MySql, Gtid: not null } ? at with { File = null, Offset = null } : at;
        while (true)
        {
            var shown = await SnapshotPosition.TakeStartAsync(connection, session.Source.Server, cancellationToken);
            if (new StreamPoint(shown, shown).HasReached(wanted))
            {
                return;
            }

            await Task.Delay(Pause, session.Time, cancellationToken);
        }
    }

    private async Task FollowAsync(CascadeTrigger trigger, MySqlConnection connection, ICascadeWriter writer, Queue<CascadeTrigger> queue, CancellationToken cancellationToken)
    {
        if (!children.TryGetValue(trigger.Link.Child, out var child))
        {
            children.Add(trigger.Link.Child, child = new ChildAccess(trigger.Link.Child));
        }

        var known = new Dictionary<string, RowBuffer>();
        await foreach (var item in FindAsync(child.Model, trigger, cancellationToken))
        {
            if (EntityOf(item.Span) != child.Model.Entity)
            {
                continue;
            }

            var row = new RowBuffer(child.Model.Row.Length);
            child.Decoder.Decode(item.Span, row);
            if (Refers(child.Model, row, trigger))
            {
                known[KeyOf(child.Model, row)] = row;
                if (known.Count == RowsPerRead)
                {
                    await ReadAgainAsync(child, known, child.Select.ByKeys([.. known.Values]), connection, writer, queue, cancellationToken);
                    known.Clear();
                }
            }
        }

        if (known.Count > 0)
        {
            await ReadAgainAsync(child, known, child.Select.ByKeys([.. known.Values]), connection, writer, queue, cancellationToken);
        }

        if (trigger.New is { } values)
        {
            await ReadAgainAsync(child, [], child.Select.ByColumns(trigger.Link.ChildColumns, values), connection, writer, queue, cancellationToken);
        }
    }

    private async Task ReadAgainAsync(
        ChildAccess child, Dictionary<string, RowBuffer> known, string statement, MySqlConnection connection, ICascadeWriter writer, Queue<CascadeTrigger> queue,
        CancellationToken cancellationToken)
    {
        var current = await ReadAsync(child, statement, connection, cancellationToken);
        if (current.Count == 0 && known.Count == 0)
        {
            return;
        }

        await writer.ReadAheadAsync(await SnapshotPosition.TakeEndAsync(connection, session.Source.Server, cancellationToken), cancellationToken);
        var triggers = new List<CascadeTrigger>();
        foreach (var (key, old) in known)
        {
            current.TryGetValue(key, out var now);
            writer.Window.TryDelete(child.Encoder, old, out _);
            plan.Collect(child.Model, old, now, triggers);
        }

        foreach (var now in current.Values)
        {
            ChangeReader.Put(writer.Window, child.Encoder, now, setAside);
            await writer.MakeRoomAsync(cancellationToken);
        }

        await writer.MakeRoomAsync(cancellationToken);
        triggers.ForEach(queue.Enqueue);
    }

    private static async Task<Dictionary<string, RowBuffer>> ReadAsync(ChildAccess child, string statement, MySqlConnection connection, CancellationToken cancellationToken)
    {
        var rows = new Dictionary<string, RowBuffer>();
        var copier = new RowReader(child.Model, child.Select);
        await using var command = new MySqlCommand(statement, connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var row = new RowBuffer(child.Model.Row.Length);
            copier.Read(reader, row);
            rows[KeyOf(child.Model, row)] = row;
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
