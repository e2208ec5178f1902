using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using BillingMigration.Model;
using BillingMigration.Source;
using MySqlConnector;

namespace BillingMigration.Sync.Cascades;

/// <summary>Reads rows of one entity again, as they are now.</summary>
internal sealed class SourceRows
{
    private const int KeysPerStatement = 100;

    private readonly EntityModel entity;
    private readonly SelectStatement statement;
    private readonly RowReader reader;
    private readonly ItemEncoder encoder;

    public SourceRows(EntityModel entity)
    {
        this.entity = entity;
        statement = new SelectStatement(entity);
        reader = new RowReader(entity, statement);
        encoder = new ItemEncoder(entity);
    }

    /// <summary>The primary key of a row, as text that tells rows apart.</summary>
    public string Identity(RowBuffer row) => string.Join('\u001f', KeyOf(row));

    /// <summary>Items of the rows that are there, by identity.</summary>
    /// <param name="locking">Wait for transactions that are under way.</param>
    public async Task<Dictionary<string, FoundRow>> ReadAsync(MySqlConnection connection, IEnumerable<RowBuffer> rows, bool locking, CancellationToken cancellationToken)
    {
        var found = new Dictionary<string, FoundRow>();
        foreach (var part in rows.Select(KeyOf).DistinctBy(k => string.Join('\u001f', k)).Chunk(KeysPerStatement))
        {
            await ReadAsync(connection, statement.ByKeys([.. part], locking), found, cancellationToken);
        }

        return found;
    }

    /// <summary>Items of the rows that reference a key.</summary>
    public async Task<Dictionary<string, FoundRow>> ReadReferencingAsync(
        MySqlConnection connection, CascadeLink link, ImmutableArray<byte[]> values, bool locking, CancellationToken cancellationToken)
    {
        var found = new Dictionary<string, FoundRow>();
        var columns = link.ChildColumns.Select(c => entity.Row[c].Column).ToImmutableArray();
        await ReadAsync(connection, statement.ByColumns(columns, [.. values.Select((v, i) => Text(columns[i], v))], locking), found, cancellationToken);
        return found;
    }

    private async Task ReadAsync(MySqlConnection connection, string sql, Dictionary<string, FoundRow> found, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand(sql, connection);
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        using var batch = new ItemBatch();
        while (await rows.ReadAsync(cancellationToken))
        {
            var row = new RowBuffer(entity.Row.Length);
            reader.Read(rows, row);
            batch.Clear();
            var isItem = encoder.TryEncode(row, batch, out var refusal);
            found[Identity(row)] = isItem
                ? new FoundRow(row, batch.Item(0).ToArray(), ItemKey.Of(batch.Item(0).Span), default)
                : new FoundRow(row, null, default, refusal);
        }
    }

    private ImmutableArray<string> KeyOf(RowBuffer row) => [.. entity.PrimaryKey.Select(i => Text(entity.Row[i].Column, row[i]))];

    /// <summary>As a statement compares it: members of ENUM and SET by their number.</summary>
    private static string Text(ColumnSchema column, ReadOnlySpan<byte> value)
    {
        var text = KeyText.Of(column, value);
        return column.DataType switch
        {
            "enum" => (column.Members.IndexOf(text) + 1).ToString(CultureInfo.InvariantCulture),
            "set" => text.Split(',', StringSplitOptions.RemoveEmptyEntries).Aggregate(0UL, (bits, m) => bits | (1UL << column.Members.IndexOf(m))).ToString(CultureInfo.InvariantCulture),
            _ => text,
        };
    }
}

/// <param name="Item">Canonical JSON; null when the row cannot be an item.</param>
internal sealed record FoundRow(RowBuffer Row, byte[]? Item, ItemKey Key, RowRefusal Refusal);
