using System.Collections.Immutable;
using System.IO.Hashing;
using System.Text;
using BillingMigration.Definition;

namespace BillingMigration.Model;

/// <summary>All entities of a definition, bound to the source's schema.</summary>
public sealed class BillingModel
{
    private BillingModel(MigrationDefinition definition, ImmutableArray<EntityModel> entities)
    {
        Definition = definition;
        Entities = entities;
        Digest = ComputeDigest(entities);
    }

    public MigrationDefinition Definition { get; }

    public ImmutableArray<EntityModel> Entities { get; }

    /// <summary>Changes with anything that would make other items from the same rows: 32 hex digits of XXH128.</summary>
    public string Digest { get; }

    /// <param name="tables">Tables of the source by name, those of lookups included.</param>
    public static BillingModel Bind(MigrationDefinition definition, IReadOnlyDictionary<string, TableSchema> tables) =>
        new(definition, [.. definition.Entities.Select(e => EntityModel.Bind(e, definition.Indexes, tables))]);

    /// <summary>Every source table that the definition names.</summary>
    public static ImmutableArray<string> TablesOf(MigrationDefinition definition) =>
        [.. definition.Entities.SelectMany(e => e.Lookups.Values.Select(l => l.Table).Prepend(e.Table)).Distinct(StringComparer.OrdinalIgnoreCase)];

    public EntityModel this[string entity] => Entities.First(e => e.Entity == entity);

    private static string ComputeDigest(ImmutableArray<EntityModel> entities)
    {
        var text = new StringBuilder();
        foreach (var entity in entities)
        {
            text.Append(entity.Entity).Append('\t').Append(entity.Table.Name).Append('\n');
            foreach (var key in entity.Keys)
            {
                text.Append(key.Index).Append('\t').AppendJoin('|', key.PartitionKey.Select(t => t.Template.Text))
                    .Append('\t').AppendJoin('|', key.SortKey.Select(t => t.Template.Text))
                    .Append('\t').AppendJoin('|', key.When?.In.Select(Encoding.UTF8.GetString) ?? []).Append('\n');
            }

            foreach (var attribute in entity.Attributes)
            {
                text.Append(attribute.Name).Append('\t').Append(attribute.Column.Name).Append('\t').Append(attribute.Column.ColumnType).Append('\t').Append(attribute.Form).Append('\n');
            }
        }

        return Convert.ToHexString(XxHash128.Hash(Encoding.UTF8.GetBytes(text.ToString())));
    }
}
