using System.Collections.Immutable;
using BillingMigration.Model;
using BillingMigration.Source.Binlog;

namespace BillingMigration.Source.Changes;

/// <summary>A table of the stream bound to its entity: decoder, encoder, and the columns that the item's key is made of.</summary>
internal sealed class BoundTable
{
    private readonly int[] keyColumns;

    public BoundTable(TableMap map, EntityModel model, CharsetTable charsets)
    {
        Model = model;
        Decoder = RowDecoder.Bind(map, model, charsets);
        Encoder = model.Keys.IsEmpty ? null : new ItemEncoder(model);
        Before = new RowBuffer(model.Row.Length);
        After = new RowBuffer(model.Row.Length);
        keyColumns = KeyColumns(model);
    }

    public EntityModel Model { get; }

    public RowDecoder Decoder { get; }

    /// <summary>Null: the table is not migrated.</summary>
    public ItemEncoder? Encoder { get; }

    public RowBuffer Before { get; }

    public RowBuffer After { get; }

    /// <summary>True when the two rows have items of different keys.</summary>
    public bool KeyDiffers(RowBuffer before, RowBuffer after) => before.Differs(after, keyColumns);

    private static int[] KeyColumns(EntityModel model) => model.Keys.IsEmpty ? []
        : [.. model.Keys[0].PartitionKey.Concat(model.Keys[0].SortKey).SelectMany(t => t.Template.Columns).Select(c => EntityModel.Find(model.Row, c.Lookup, c.Column)).Distinct()];
}

/// <summary>Finds the entity of each table in the stream, or the table that is not migrated and whose changes reach entities; all others have none.</summary>
internal sealed class BoundTables(BillingModel model, CharsetTable charsets)
{
    private const int MostKnown = 4096;

    private readonly Dictionary<TableMap, BoundTable?> known = new(ReferenceEqualityComparer.Instance);
    private readonly ImmutableDictionary<(string, string), EntityModel> entities =
        model.All.ToImmutableDictionary(e => (e.Table.Database, e.Table.Name));

    private readonly StatementCheck migrated = new(model.Entities[0].Table.Database, model.Entities.Select(e => e.Table.Name));
    private readonly StatementCheck[] outside =
        [.. model.All.Where(m => !model.IsMigrated(m)).GroupBy(m => m.Table.Database, m => m.Table.Name).Select(g => new StatementCheck(g.Key, g))];

    public BillingModel Model => model;

    /// <summary>What a statement does to migrated tables, or to the foreign keys of those that are not migrated and reach them.</summary>
    public StatementVerdict Check(QueryEvent query)
    {
        var statement = query.Foreign is { } foreign && charsets.NameOf(query.ClientCollation) is { } charset ? ClientText.Read(foreign, charset) : query.Statement;
        var defaultDatabase = query.Database;
        var verdict = migrated.Check(statement, defaultDatabase);
        return verdict.Effect != StatementEffect.None ? verdict
            : outside.Select(c => c.Check(statement, defaultDatabase)).FirstOrDefault(v => v.Effect is StatementEffect.ForeignKeyChange or StatementEffect.RowsByStatement);
    }

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
