using System.Collections.Immutable;
using System.Text;
using BillingMigration.Definition;
using BillingMigration.Model;

namespace BillingMigration.Tests.Model;

/// <summary>Tables and definitions built in memory.</summary>
internal static class ModelFixtures
{
    public static ColumnSchema Column(string name, string columnType, bool nullable = true) => new()
    {
        Name = name,
        Ordinal = 1,
        DataType = columnType.Split('(', ' ')[0],
        ColumnType = columnType,
        Nullable = nullable,
        Unsigned = columnType.Contains("unsigned", StringComparison.Ordinal),
        Precision = Numbers(columnType).ElementAtOrDefault(0),
        Scale = Numbers(columnType).ElementAtOrDefault(1),
        CharacterSet = columnType.Split('(', ' ')[0] is "varchar" or "char" or "text" or "enum" or "set" ? "utf8mb4" : null,
    };

    public static TableSchema Table(string name, string[] primaryKey, params ColumnSchema[] columns) => new()
    {
        Database = "billing",
        Name = name,
        PrimaryKey = [.. primaryKey],
        Columns = [.. columns.Select((c, i) => c with { Ordinal = i + 1 })],
    };

    public static EntityModel Bind(TableSchema table, string pk, string sk, params (string Column, ColumnDefinition Rule)[] rules) => Bind(table, pk, sk, null, rules);

    public static EntityModel Bind(TableSchema table, string pk, string sk, AttributeCipher? cipher, params (string Column, ColumnDefinition Rule)[] rules) =>
        EntityModel.Bind(
            new EntityDefinition
            {
                Entity = "CHARGE",
                Table = table.Name,
                PartitionKey = KeyTemplate.Parse(pk),
                SortKey = KeyTemplate.Parse(sk),
                Columns = rules.ToImmutableSortedDictionary(r => r.Column, r => r.Rule, StringComparer.OrdinalIgnoreCase),
            },
            [],
            new Dictionary<string, TableSchema> { [table.Name] = table },
            cipher);

    public static RowBuffer Row(params string?[] values)
    {
        var row = new RowBuffer(values.Length);
        for (var i = 0; i < values.Length; i++)
        {
            if (values[i] is { } value)
            {
                row.Set(i, value);
            }
            else
            {
                row.SetNull(i);
            }
        }

        return row;
    }

    /// <summary>The item's canonical JSON, or the reason id of the refusal.</summary>
    public static string Encode(EntityModel model, RowBuffer row)
    {
        using var batch = new ItemBatch();
        return new ItemEncoder(model).TryEncode(row, batch, out var refusal) ? Encoding.UTF8.GetString(batch.Item(0).Span) : refusal.ReasonId;
    }

    /// <summary>Two rows have the same bytes, or NULL, in every column.</summary>
    public static void AssertSame(RowBuffer expected, RowBuffer actual)
    {
        Assert.Equal(expected.Count, actual.Count);
        for (var i = 0; i < expected.Count; i++)
        {
            Assert.Equal(expected.IsNull(i), actual.IsNull(i));
            Assert.Equal(Convert.ToHexString(expected[i]), Convert.ToHexString(actual[i]));
        }
    }

    private static int[] Numbers(string columnType) => columnType.IndexOf('(', StringComparison.Ordinal) is > 0 and var at && columnType[at + 1] != '\''
        ? [.. columnType[(at + 1)..columnType.IndexOf(')', StringComparison.Ordinal)].Split(',').Select(int.Parse)]
        : [];
}
