using System.Collections.Immutable;
using System.IO.Hashing;
using System.Text;
using BillingMigration.Definition;

namespace BillingMigration.Model;

/// <summary>All entities of a definition, bound to the source's schema.</summary>
public sealed class BillingModel
{
    private BillingModel(MigrationDefinition definition, ImmutableArray<EntityModel> entities, ImmutableArray<EntityModel> outside)
    {
        Definition = definition;
        Entities = entities;
        All = [.. entities, .. outside];
        Links = new ParentLinks(All);
        Digest = ComputeDigest();
    }

    public MigrationDefinition Definition { get; }

    public ImmutableArray<EntityModel> Entities { get; }

    /// <summary>The entities, then tables that are not migrated and whose changes reach them: they have no items.</summary>
    public ImmutableArray<EntityModel> All { get; }

    public ParentLinks Links { get; }

    public bool IsMigrated(EntityModel model) => Entities.Contains(model);

    /// <summary>Changes with anything that would make other items from the same rows: 32 hex digits of XXH128.</summary>
    public string Digest { get; }

    /// <param name="tables">Tables of the source by name, those of lookups included.</param>
    /// <param name="ancestors">Tables, of any database, that are not migrated and whose changes reach migrated rows by foreign keys.</param>
    /// <param name="cipher">Where columns are encrypted and items are written or read.</param>
    public static BillingModel Bind(
        MigrationDefinition definition, IReadOnlyDictionary<string, TableSchema> tables, IEnumerable<TableSchema>? ancestors = null, AttributeCipher? cipher = null)
    {
        var view = definition.View is { } name ? definition.Views[name] : null;
        var entities = definition.Entities.Where(e => view?.Columns.ContainsKey(e.Entity) ?? true).Select(e => EntityModel.Bind(e, definition.Indexes, tables, cipher, view)).ToImmutableArray();
        bool IsEntity(TableSchema table) => entities.Any(e => e.Table.Database == table.Database && e.Table.Name == table.Name);
        var lookups = entities.SelectMany(e => e.Definition.Lookups.Values).Select(l => tables[l.Table]);
        var outside = lookups.Concat(ancestors ?? []).Where(t => !IsEntity(t)).DistinctBy(t => (t.Database, t.Name));
        return new BillingModel(definition, entities, [.. outside.Select(EntityModel.Outside)]);
    }

    /// <summary>Every source table that the definition names.</summary>
    public static ImmutableArray<string> TablesOf(MigrationDefinition definition) =>
        [.. definition.Entities.SelectMany(e => e.Lookups.Values.Select(l => l.Table).Prepend(e.Table)).Distinct(StringComparer.OrdinalIgnoreCase)];

    public EntityModel this[string entity] => Entities.First(e => e.Entity == entity);

    private string ComputeDigest()
    {
        var text = new StringBuilder().Append(Definition.Source.Database).Append('\t').Append(Definition.Target.Table).Append('\n');
        foreach (var entity in Entities)
        {
            text.Append(entity.Entity).Append('\t').Append(entity.Table.Name).Append('\n');
            foreach (var key in entity.Keys)
            {
                text.Append(key.Index).Append('\t').AppendJoin('|', key.PartitionKey.Select(t => t.Template.Text))
                    .Append('\t').AppendJoin('|', key.SortKey.Select(t => t.Template.Text))
                    .Append('\t').Append(key.When is { } when ? entity.Row[when.RowIndex].Column.Name : "")
                    .Append('\t').AppendJoin('|', key.When?.In.Select(Encoding.UTF8.GetString) ?? []).Append('\n');
            }

            foreach (var attribute in entity.Attributes)
            {
                text.Append(attribute.Name).Append('\t').Append(attribute.Column.Name).Append('\t').Append(attribute.Column.ColumnType).Append('\t').Append(attribute.Form).Append(attribute.Encrypted ? "\tencrypted\n" : "\n");
            }
        }

        Links.Describe(text);
        return Convert.ToHexString(XxHash128.Hash(Encoding.UTF8.GetBytes(text.ToString())));
    }
}
