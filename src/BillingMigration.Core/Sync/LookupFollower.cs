using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Target;
using MySqlConnector;

namespace BillingMigration.Sync;

/// <summary>
/// Finds what keys are made of beside their own row, as it was at the place of the stream: the source says what a parent is now, and the stream, read on up to that now,
/// whether it was another until then. Moves children when their parent gives them other keys. One for each time that the stream is taken up.
/// </summary>
internal sealed class LookupFollower(
    MigrationSession session, BoundTables tables, SourcePosition start, BinlogConnectionOptions options, ItemReader items, bool setAside) : IAsyncDisposable
{
    private const int ScanSegments = 4;
    private const int MostMoving = 5_000;

    private readonly Dictionary<EntityModel, (RowReader Reader, SelectStatement Select)> selects = [];
    private LookupScout? scout;

    public LookupValues Values { get; } = new(tables.Lookups);

    /// <summary>Does what the row waits for.</summary>
    public async ValueTask ResolveAsync(BoundTable table, ICascadeWriter writer, CancellationToken cancellationToken)
    {
        if (Values.MustReadAhead)
        {
            await ReadAheadAsync([], cancellationToken);
        }

        await AnswerAsync(cancellationToken);
        if (Values.MustMove)
        {
            // A crash between the two leaves children twice, and the same change moves them again.
            await writer.FlushAsync(cancellationToken);
            foreach (var link in tables.Lookups.OfParent(table.Model).Where(l => l.Moves(table.Before, table.After)).ToArray())
            {
                await MoveAsync(link, table.Before.Copy(), table.After.Copy(), writer, cancellationToken);
            }

            Values.Moved();
        }
    }

    public ValueTask DisposeAsync() => scout?.DisposeAsync() ?? ValueTask.CompletedTask;

    private async Task AnswerAsync(CancellationToken cancellationToken)
    {
        LookupKey[] open = [.. Values.Open.Distinct().Where(key => !Values.TryAnswer(key))];
        if (open.Length > 0)
        {
            await ReadAheadAsync(open, cancellationToken);
        }
    }

    /// <summary>Asks the source for parents, and reads the stream on up to the answer: a change on the way says what was before.</summary>
    private async Task ReadAheadAsync(LookupKey[] open, CancellationToken cancellationToken)
    {
        var answers = new ImmutableArray<byte[]?>[open.Length];
        SourcePosition now;
        await using (var connection = await session.Source.OpenConnectionAsync(cancellationToken))
        {
            for (var i = 0; i < open.Length; i++)
            {
                answers[i] = await SelectAsync(open[i], connection, cancellationToken);
            }

            now = await SnapshotPosition.TakeEndAsync(connection, session.Source.Server, cancellationToken);
        }

        scout ??= new LookupScout(session, tables, start, options, Values);
        await scout.ReadToAsync(now, cancellationToken);
        for (var i = 0; i < open.Length; i++)
        {
            if (!Values.TryAnswer(open[i]))
            {
                Values.Answer(open[i], answers[i]);
            }
        }
    }

    private async Task<ImmutableArray<byte[]?>> SelectAsync(LookupKey key, MySqlConnection connection, CancellationToken cancellationToken)
    {
        var link = key.Link;
        if (!selects.TryGetValue(link.Parent, out var known))
        {
            var statement = new SelectStatement(link.Parent);
            selects.Add(link.Parent, known = (new RowReader(link.Parent, statement), statement));
        }

        var row = new RowBuffer(link.Parent.Row.Length);
        await using var command = new MySqlCommand(known.Select.ByColumns(link.ParentColumns, key.Values), connection) { CommandTimeout = 0 };
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken))
        {
            return default;
        }

        known.Reader.Read(reader, row);
        return link.Values(row);
    }

    /// <summary>Gives the children of a parent row, as the table has them, the keys that they get with its new values.</summary>
    private async Task MoveAsync(LookupLink link, RowBuffer before, RowBuffer after, ICascadeWriter writer, CancellationToken cancellationToken)
    {
        if (link.OfParent(before) is not { } parent)
        {
            return;
        }

        var encoder = new ItemEncoder(link.Child);
        var keyColumns = BoundTable.KeyColumns(link.Child);
        var moving = new List<(RowBuffer Old, RowBuffer New)>();
        using var scratch = new ItemBatch();
        await foreach (var item in CandidatesAsync(link, parent, link.Values(before), cancellationToken))
        {
            if (!ChildFinder.IsOf(link.Child, item.Span))
            {
                continue;
            }

            var row = new RowBuffer(link.Child.Row.Length);
            new ItemDecoder(link.Child).Decode(item.Span, row);
            if (link.OfChild(row) is not { } refers || !refers.Equals(parent))
            {
                continue;
            }

            await FillOthersAsync(link, row, cancellationToken);
            var moved = row.Copy();
            link.Fill(row, link.Values(before));
            link.Fill(moved, link.Values(after));
            if (!HasKey(item.Span, encoder, row, scratch))
            {
                // It is where a later change puts it: a snapshot saw that already.
                continue;
            }

            moving.Add((row, moved));
            if (moving.Count >= MostMoving)
            {
                await WriteAsync(moving, encoder, keyColumns, writer, cancellationToken);
            }
        }

        await WriteAsync(moving, encoder, keyColumns, writer, cancellationToken);
    }

    private async Task WriteAsync(List<(RowBuffer Old, RowBuffer New)> moving, ItemEncoder encoder, int[] keyColumns, ICascadeWriter writer, CancellationToken cancellationToken)
    {
        foreach (var (_, moved) in moving)
        {
            ChangeReader.Put(writer.Window, encoder, moved, setAside);
            await writer.MakeRoomAsync(cancellationToken);
        }

        await writer.FlushAsync(cancellationToken);
        foreach (var (old, moved) in moving)
        {
            // A looked-up value that stands in keys of indexes only changes the item in its place.
            if (BoundTable.Differ(old, moved, keyColumns))
            {
                writer.Window.TryDelete(encoder, old, out _);
                await writer.MakeRoomAsync(cancellationToken);
            }
        }

        await writer.FlushAsync(cancellationToken);
        moving.Clear();
    }

    /// <summary>What other lookups of the same entity give.</summary>
    private async Task FillOthersAsync(LookupLink link, RowBuffer row, CancellationToken cancellationToken)
    {
        while (!Values.TryFillOthers(link, row))
        {
            await AnswerAsync(cancellationToken);
        }
    }

    private IAsyncEnumerable<ReadOnlyMemory<byte>> CandidatesAsync(LookupLink link, LookupKey parent, ImmutableArray<byte[]?> values, CancellationToken cancellationToken)
    {
        var row = new RowBuffer(link.Child.Row.Length);
        for (var i = 0; i < row.Count; i++)
        {
            row.SetNull(i);
        }

        for (var i = 0; i < link.ChildColumns.Length; i++)
        {
            row.Set(link.ChildColumns[i], parent.Values[i]);
        }

        link.Fill(row, values);
        var key = link.Child.Keys[0];
        var text = new ScratchBuffer();
        return key.PartitionKey[0].HasValue(row) && key.PartitionKey[0].TryRender(row, text, out _)
            ? items.QueryPartitionAsync(Encoding.UTF8.GetString(text.Written), key.SortKey[0].LiteralPrefix is { Length: > 0 } prefix ? prefix : null, cancellationToken)
            : items.ScanAsync(ScanSegments, cancellationToken);
    }

    private static bool HasKey(ReadOnlySpan<byte> item, ItemEncoder encoder, RowBuffer row, ItemBatch scratch)
    {
        scratch.Clear();
        return encoder.TryEncodeDelete(row, scratch, out _) && KeyOf(item) == KeyOf(scratch.Item(0).Span);
    }

    private static (string? PartitionKey, string? SortKey) KeyOf(ReadOnlySpan<byte> item)
    {
        var json = new Utf8JsonReader(item);
        (string? PartitionKey, string? SortKey) key = default;
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var (isPartitionKey, isSortKey) = (json.ValueTextEquals(EntityModel.PartitionKey), json.ValueTextEquals(EntityModel.SortKey));
            json.Read();
            if (isPartitionKey || isSortKey)
            {
                json.Read();
                json.Read();
                key = isPartitionKey ? (json.GetString(), key.SortKey) : (key.PartitionKey, json.GetString());
                json.Read();
            }
            else
            {
                json.Skip();
            }
        }

        return key;
    }
}
