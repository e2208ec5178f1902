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
        if (!model.Keys.IsEmpty)
        {
            RowLayout.RequireSame(map, model.Table);
        }

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

/// <summary>What a statement does to the migration.</summary>
/// <param name="Kind">As the operator knows it: <c>ALTER TABLE</c>.</param>
/// <param name="Tables">In words.</param>
/// <param name="Owners">Whose tables it concerns.</param>
/// <param name="Entities">Whose items it may concern: the owners, and what their changes reach.</param>
internal sealed record StatementOutcome(StatementEffect Effect, string Kind, string Tables, ImmutableArray<EntityModel> Owners, ImmutableArray<EntityModel> Entities)
{
    public static readonly StatementOutcome Harmless = new(StatementEffect.None, "", "", [], []);
}

/// <summary>Finds the entity of each table in the stream, or the table that is not migrated and whose changes reach entities; all others have none.</summary>
internal sealed class BoundTables(BillingModel model, CharsetTable charsets)
{
    private const int MostKnown = 4096;

    private readonly Dictionary<TableMap, BoundTable?> known = new(ReferenceEqualityComparer.Instance);
    private readonly ImmutableDictionary<(string, string), EntityModel> entities =
        model.All.ToImmutableDictionary(e => (e.Table.Database, e.Table.Name));

    private readonly StatementCheck statements = new(model.All.Select(NameOf));

    public BillingModel Model => model;

    /// <summary>What a statement does to migrated tables, or to those that are not and reach them.</summary>
    public StatementOutcome Check(QueryEvent query)
    {
        var statement = query.Foreign is { } foreign && charsets.NameOf(query.ClientCollation) is { } charset ? ClientText.Read(foreign, charset) : query.Statement;
        var verdict = statements.Check(statement, query.Database, query.SqlMode);
        if (verdict.Effect == StatementEffect.None)
        {
            return StatementOutcome.Harmless;
        }

        if (verdict.ConcernsAll)
        {
            return new StatementOutcome(verdict.Effect, verdict.Kind, verdict.Tables.IsEmpty ? "any table" : string.Join(", ", verdict.Tables.Select(t => t.Name)), model.Entities, model.Entities);
        }

        EntityModel[] concerned = [.. model.All.Where(m => verdict.Tables.Contains(NameOf(m)))];

        // A table without items: its columns are read by name, and what is wrong with its rows shows in the items that they reach.
        var effect = verdict.Effect == StatementEffect.LayoutChange && !concerned.Any(model.IsMigrated) ? StatementEffect.Rows : verdict.Effect;
        return new StatementOutcome(effect, verdict.Kind, string.Join(", ", concerned.Select(m => m.Table.Name)), OwnersOf(concerned), Reached(concerned));
    }

    /// <summary>The entities of some tables; of one that is not migrated, those that its changes reach.</summary>
    public ImmutableArray<EntityModel> OwnersOf(params EntityModel[] tables) =>
        [.. tables.SelectMany(t => model.IsMigrated(t) ? [t] : Reached(t).AsEnumerable()).Distinct()];

    /// <summary>The entities of some tables, and those that their changes reach.</summary>
    public ImmutableArray<EntityModel> Reached(params EntityModel[] tables) =>
        [.. model.Entities.Where(tables.SelectMany(model.Links.Below).Concat(tables).ToHashSet().Contains)];

    /// <summary>The entity, or the table that reaches entities, of a name; null for another.</summary>
    public EntityModel? ModelOf(TableMap map) => entities.GetValueOrDefault((map.Database, map.Table));

    /// <exception cref="MigrationException"><c>TableLayoutUnknown</c>.</exception>
    public BoundTable? Find(TableMap map)
    {
        if (!known.TryGetValue(map, out var table))
        {
            // Tables get a new number with every restart and every change.
            if (known.Count == MostKnown)
            {
                known.Clear();
            }

            table = ModelOf(map) is { } entity ? new BoundTable(map, entity, charsets) : null;
            known.Add(map, table);
        }

        return table;
    }

    private static TableName NameOf(EntityModel table) => new(table.Table.Database, table.Table.Name);
}
