using System.Collections.Immutable;
using System.Text;

namespace BillingMigration.Model;

/// <summary>All ways by which changes reach rows that are not logged, of migrated tables and of those above them.</summary>
public sealed class ParentLinks
{
    private readonly ILookup<EntityModel, ParentLink> ofParent;
    private readonly ILookup<EntityModel, ParentLink> ofChild;
    private readonly Dictionary<EntityModel, ImmutableArray<int>> columns = [];

    /// <param name="models">Entities, then the tables that are not migrated.</param>
    internal ParentLinks(ImmutableArray<EntityModel> models)
    {
        var links = models.SelectMany(child => child.Table.ForeignKeys.Select(key => OfForeignKey(models, child, key)))
            .Concat(models.SelectMany(child => child.Row.Select(c => c.Lookup).OfType<string>().Distinct().Select(lookup => OfLookup(models, child, lookup))))
            .OfType<ParentLink>().ToArray();
        ofParent = links.ToLookup(l => l.Parent);
        ofChild = links.ToLookup(l => l.Child);
        foreach (var model in models)
        {
            columns[model] = [.. ofParent[model].SelectMany(l => l.ParentColumns.Concat(l.Sources)).Concat(ofChild[model].SelectMany(l => l.ChildColumns)).Distinct().Order()];
        }
    }

    public IEnumerable<ParentLink> All => ofParent.SelectMany(g => g);

    public IEnumerable<ParentLink> OfParent(EntityModel parent) => ofParent[parent];

    public IEnumerable<ParentLink> OfChild(EntityModel child) => ofChild[child];

    public bool HasChildren(EntityModel parent) => ofParent.Contains(parent);

    public IEnumerable<ParentLink> LookupsOf(EntityModel child) => ofChild[child].Where(l => l.IsLookup);

    /// <summary>Every entity that a change can reach through the rows of this one, itself left out.</summary>
    public HashSet<EntityModel> Below(EntityModel model)
    {
        var found = new HashSet<EntityModel>();
        var open = new Queue<EntityModel>([model]);
        while (open.TryDequeue(out var next))
        {
            foreach (var link in ofParent[next])
            {
                if (found.Add(link.Child))
                {
                    open.Enqueue(link.Child);
                }
            }
        }

        return found;
    }

    /// <summary>What of a row says which parents and children it has: all else is NULL.</summary>
    public RowBuffer Identity(EntityModel model, RowBuffer row)
    {
        var identity = RowBuffer.AllNull(row.Count);
        foreach (var column in columns[model])
        {
            identity.Take(column, row, column);
        }

        return identity.Copy();
    }

    /// <summary>The identity's values, in an order of their own.</summary>
    public IEnumerable<int> IdentityColumns(EntityModel model) => columns[model];

    /// <summary>What a digest of the model says of them.</summary>
    internal void Describe(StringBuilder text)
    {
        foreach (var line in All.Select(l => $"{l.Child.Table.Database}.{l.Child.Table.Name}({Names(l.Child, l.ChildColumns)}) {l.Parent.Table.Database}.{l.Parent.Table.Name}({Names(l.Parent, l.ParentColumns)}|{Names(l.Parent, l.Sources)}) {l.OnDelete} {l.OnUpdate}").Order(StringComparer.Ordinal))
        {
            text.Append(line).Append('\n');
        }
    }

    private static string Names(EntityModel model, ImmutableArray<int> at) => string.Join(',', at.Select(i => model.Row[i].Column.Name));

    private static ParentLink? OfForeignKey(ImmutableArray<EntityModel> models, EntityModel child, ForeignKeySchema key)
    {
        var parent = models.FirstOrDefault(m => Same(m.Table.Database, key.ReferencedDatabase ?? child.Table.Database) && Same(m.Table.Name, key.ReferencedTable));
        return key.ActsUnseen && parent is not null
            ? new ParentLink(key.Name, parent, child, Columns(parent, key.ReferencedColumns), Columns(child, key.Columns), [], [], ForeignKeySchema.Acts(key.OnDelete), ForeignKeySchema.Acts(key.OnUpdate))
            : null;
    }

    private static ParentLink OfLookup(ImmutableArray<EntityModel> models, EntityModel child, string lookup)
    {
        var definition = child.Definition.Lookups[lookup];
        var parent = models.First(m => Same(m.Table.Database, child.Table.Database) && Same(m.Table.Name, definition.Table));
        int[] targets = [.. Enumerable.Range(0, child.Row.Length).Where(i => child.Row[i].Lookup == lookup)];
        return new ParentLink(
            lookup, parent, child, Columns(parent, definition.On.Values), Columns(child, definition.On.Keys), Columns(parent, targets.Select(t => child.Row[t].Column.Name)), [.. targets], true, true);
    }

    private static bool Same(string one, string other) => one.Equals(other, StringComparison.OrdinalIgnoreCase);

    private static ImmutableArray<int> Columns(EntityModel model, IEnumerable<string> names) => [.. names.Select(n => EntityModel.Find(model.Row, null, n) is >= 0 and var at
        ? at
        : throw EntityModel.Misfit(model.Definition, $"leaves out the column {n} of {model.Table.Name}, which says what a row belongs to"))];
}
