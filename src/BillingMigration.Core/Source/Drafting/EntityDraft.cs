using System.Text.Json.Nodes;
using BillingMigration.Definition;
using BillingMigration.Model;

namespace BillingMigration.Source.Drafting;

/// <summary>One entity of the draft while its keys are being found.</summary>
internal sealed class EntityDraft(EntityProfile profile, TableSchema table)
{
    public EntityProfile Profile { get; } = profile;

    public TableSchema Table { get; } = table;

    public string Label => Profile.Label;

    /// <summary>Columns of the own row that make the partition; null when the partition comes over a lookup.</summary>
    public IReadOnlyList<string>? PartitionColumns { get; set; }

    public string PartitionKey { get; set; } = string.Empty;

    public string SortKey { get; set; } = string.Empty;

    /// <summary>True when each row is a partition of its own.</summary>
    public bool OwnPartition { get; set; }

    public JsonObject Lookups { get; } = [];

    public JsonObject Indexes { get; } = [];

    /// <summary>Columns that personal data may stand in.</summary>
    public List<string> Sensitive { get; } = [];

    public ColumnSchema Column(string name) => Table.FindColumn(name)!;

    /// <summary><c>{column}</c> for a partition; <c>{column:collated}</c> for a text whose collation takes others for equal.</summary>
    public string Plain(string column) => Part(column, column);

    /// <summary>The same of a row that is found by a lookup.</summary>
    public string Plain(string lookup, string column) => Part($"{lookup}.{column}", column);

    /// <summary><c>{column:D20}</c> for integers, so that they sort; as in a partition for what is of a key.</summary>
    public string Sortable(string column) => Column(column).IsInteger() ? $"{{{column}:D20}}" : IsOfKey(column) ? Plain(column) : $"{{{column}}}";

    public string SortableAll(IEnumerable<string> columns) => string.Join('#', columns.Select(Sortable));

    /// <summary>Key of the own row in an index: <c>BILL#{bill_id}</c>.</summary>
    public string Identity => $"{Label}#{string.Join('#', Table.PrimaryKey.Select(Plain))}";

    /// <summary>Primary key columns that the partition does not fix already.</summary>
    public IReadOnlyList<string> RestOfKey =>
        [.. Table.PrimaryKey.Where(c => PartitionColumns is null || !PartitionColumns.Contains(c, StringComparer.OrdinalIgnoreCase)).DefaultIfEmpty(Table.PrimaryKey[^1])];

    /// <summary>The primary key column that spreads rows over shards, or null.</summary>
    public string? ShardColumn => RestOfKey.Concat(Table.PrimaryKey).LastOrDefault(c => Column(c).CanBeSharded());

    /// <summary>What the rows say of references that are not declared, by parent table.</summary>
    public Dictionary<string, ReferenceEvidence> Evidence { get; } = [];

    /// <summary>References that nothing contradicts.</summary>
    public IReadOnlyList<TableReference> ReferencesTo(EntityDraft parent) =>
    [
        .. TableReference.Find(Table, parent.Table, parent.Label)
            .Select(r => r.Declared ? r : r with { Evidence = Evidence.GetValueOrDefault(parent.Table.Name) }).Where(r => r.Evidence is not { IsRefuted: true }),
    ];

    private string Part(string written, string column) =>
        Column(column) is var found && found.ComparesByCollation() && CollationKey.Of(found) is not null ? $"{{{written}:{KeyColumn.Collated}}}" : $"{{{written}}}";

    private bool IsOfKey(string column) =>
        Table.UniqueKeys.Select(k => k.Columns).Concat(Table.ForeignKeys.Select(k => k.Columns)).Append(Table.PrimaryKey).Any(k => k.Contains(column, StringComparer.OrdinalIgnoreCase));

    public void AddIndex(string name, JsonNode partitionKey, string sortKey, JsonObject? when = null)
    {
        var key = new JsonObject { ["pk"] = partitionKey, ["sk"] = sortKey };
        if (when is not null)
        {
            key["when"] = when;
        }

        Indexes[name] = key;
    }
}
