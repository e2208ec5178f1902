using System.Collections.Immutable;
using BillingMigration.Model;
using BillingMigration.Source.Binlog;

namespace BillingMigration.Sync;

/// <summary>A table of the stream bound to its entity: decoder, encoder, and the columns that the item's key is made of.</summary>
internal sealed class BoundTable
{
    private readonly int[] keyColumns;

    public BoundTable(TableMap map, EntityModel model, CharsetTable charsets)
    {
        Model = model;
        Decoder = RowDecoder.Bind(map, model, charsets);
        Encoder = new ItemEncoder(model);
        Before = new RowBuffer(model.Row.Length);
        After = new RowBuffer(model.Row.Length);
        keyColumns = KeyColumns(model);
    }

    public EntityModel Model { get; }

    public RowDecoder Decoder { get; }

    public ItemEncoder Encoder { get; }

    public RowBuffer Before { get; }

    public RowBuffer After { get; }

    public bool KeyChanged() => Differ(Before, After, keyColumns);

    public static bool Differ(RowBuffer one, RowBuffer other, ReadOnlySpan<int> columns)
    {
        foreach (var column in columns)
        {
            if (one.IsNull(column) != other.IsNull(column) || !one[column].SequenceEqual(other[column]))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Indexes in the row of the columns that the item's own key is made of.</summary>
    public static int[] KeyColumns(EntityModel model) =>
        [.. model.Keys[0].PartitionKey.Concat(model.Keys[0].SortKey).SelectMany(t => t.Template.Columns).Select(c => EntityModel.Find(model.Row, c.Lookup, c.Column)).Distinct()];
}

/// <summary>Finds the entity of each table in the stream; other databases and tables have none.</summary>
internal sealed class BoundTables(BillingModel model, CharsetTable charsets)
{
    private const int MostKnown = 4096;

    private readonly Dictionary<TableMap, BoundTable?> known = new(ReferenceEqualityComparer.Instance);
    private readonly ImmutableDictionary<(string, string), EntityModel> entities =
        model.Entities.ToImmutableDictionary(e => (e.Table.Database, e.Table.Name));

    public BillingModel Model => model;

    public CascadePlan Cascades { get; } = new(model);

    public LookupPlan Lookups { get; } = new(model, new CascadePlan(model));

    public string Database { get; } = model.Entities[0].Table.Database;

    public StatementCheck Statements { get; } = new(model.Entities[0].Table.Database, model.Entities.Select(e => e.Table.Name));

    /// <summary>The same tables for a second reader of the stream.</summary>
    public BoundTables Again() => new(model, charsets);

    public BoundTable? Find(TableMap map)
    {
        if (!known.TryGetValue(map, out var table))
        {
            // Tables get a new number with every restart and every change.
            if (known.Count == MostKnown)
            {
                known.Clear();
            }

            table = entities.TryGetValue((map.Database, map.Table), out var entity) ? new BoundTable(map, entity, charsets) : null;
            known.Add(map, table);
        }

        return table;
    }
}
