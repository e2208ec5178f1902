using System.Collections.Immutable;
using BillingMigration.Model;

namespace BillingMigration.Sync;

/// <summary>A lookup of an entity's keys: the columns by which a row refers to its parent, and what of the parent stands in the keys.</summary>
/// <param name="ChildColumns">Indexes in the child's row of the columns that refer to the parent.</param>
/// <param name="ParentColumns">Indexes in the parent's row of the columns that they refer to, in the same order.</param>
/// <param name="Targets">Indexes in the child's row of the looked-up columns.</param>
/// <param name="Sources">Indexes in the parent's row of the looked-up columns, in the same order.</param>
internal sealed record LookupLink(
    EntityModel Child, EntityModel Parent, ImmutableArray<int> ChildColumns, ImmutableArray<int> ParentColumns, ImmutableArray<int> Targets, ImmutableArray<int> Sources)
{
    /// <summary>What a child's row refers to; null when that is nothing.</summary>
    public LookupKey? OfChild(RowBuffer child) => LookupKey.Of(this, child, ChildColumns);

    public LookupKey? OfParent(RowBuffer parent) => LookupKey.Of(this, parent, ParentColumns);

    /// <summary>The looked-up values of a parent row.</summary>
    public ImmutableArray<byte[]?> Values(RowBuffer parent) => [.. Sources.Select(s => parent.IsNull(s) ? null : parent[s].ToArray())];

    /// <param name="values">Default: there is no parent.</param>
    public void Fill(RowBuffer child, ImmutableArray<byte[]?> values)
    {
        for (var i = 0; i < Targets.Length; i++)
        {
            if (values.IsDefault || values[i] is not { } value)
            {
                child.SetNull(Targets[i]);
            }
            else
            {
                child.Set(Targets[i], value);
            }
        }
    }

    /// <summary>True when an update of a parent row makes other keys of its children, or leaves them to another parent.</summary>
    public bool Leaves(RowBuffer before, RowBuffer after) => BoundTable.Differ(before, after, ParentColumns.AsSpan()) || Moves(before, after);

    public bool Moves(RowBuffer before, RowBuffer after) => BoundTable.Differ(before, after, Sources.AsSpan());
}

/// <summary>The identity of a looked-up parent.</summary>
internal sealed record LookupKey(LookupLink Link, string Identity, byte[][] Values)
{
    public static LookupKey? Of(LookupLink link, RowBuffer row, ImmutableArray<int> columns)
    {
        var identity = new System.Text.StringBuilder();
        foreach (var column in columns)
        {
            if (row.IsNull(column))
            {
                return null;
            }

            identity.Append(Convert.ToHexString(row[column])).Append(' ');
        }

        return new LookupKey(link, identity.ToString(), [.. columns.Select(c => row[c].ToArray())]);
    }

    public bool Equals(LookupKey? other) => other is not null && ReferenceEquals(Link, other.Link) && Identity == other.Identity;

    public override int GetHashCode() => Identity.GetHashCode(StringComparison.Ordinal);
}

/// <summary>The lookups of all entities, from both sides.</summary>
internal sealed class LookupPlan
{
    private readonly ILookup<EntityModel, LookupLink> byChild;
    private readonly ILookup<EntityModel, LookupLink> byParent;
    private readonly HashSet<EntityModel> reaching;

    /// <exception cref="MigrationException"><c>LookupNotCaptured</c>: the stream does not tell enough of a looked-up table.</exception>
    public LookupPlan(BillingModel model, CascadePlan cascades)
    {
        var links = model.Entities.SelectMany(child => child.Row.Select(c => c.Lookup).OfType<string>().Distinct().Select(lookup => Link(model, child, lookup))).ToArray();
        byChild = links.ToLookup(l => l.Child);
        byParent = links.ToLookup(l => l.Parent);
        reaching = [.. links.Select(l => l.Child)];
        while (cascades.Links.FirstOrDefault(l => reaching.Contains(l.Link.Child) && !reaching.Contains(l.Parent)) is { Parent: { } parent })
        {
            reaching.Add(parent);
        }
    }

    public bool IsEmpty => byChild.Count == 0;

    public IEnumerable<LookupLink> OfChild(EntityModel child) => byChild[child];

    public IEnumerable<LookupLink> OfParent(EntityModel parent) => byParent[parent];

    public bool Concerns(EntityModel model) => byChild.Contains(model) || byParent.Contains(model);

    /// <summary>True when foreign keys hand a change of the entity's rows on to rows whose keys are made with a lookup.</summary>
    public bool IsReachedFrom(EntityModel parent) => reaching.Contains(parent);

    private static LookupLink Link(BillingModel model, EntityModel child, string lookup)
    {
        var definition = child.Definition.Lookups[lookup];
        var parent = model.Entities.FirstOrDefault(e => e.Table.Name.Equals(definition.Table, StringComparison.OrdinalIgnoreCase))
            ?? throw SyncErrors.LookupNotFollowed(child.Entity, definition.Table, "the table is not migrated, so the stream of its changes is not read", "Add the table to migration.json");
        int[] targets = [.. Enumerable.Range(0, child.Row.Length).Where(i => child.Row[i].Lookup == lookup)];
        var link = new LookupLink(
            child, parent, Columns(child, definition.On.Keys), Columns(parent, definition.On.Values), [.. targets], Columns(parent, targets.Select(t => child.Row[t].Column.Name)));
        if (link.ChildColumns.Contains(-1) || link.ParentColumns.Contains(-1) || link.Sources.Contains(-1))
        {
            throw SyncErrors.LookupNotFollowed(child.Entity, definition.Table, "a column of it, or one that refers to it, is excluded", "Include the column in migration.json");
        }

        // Which text refers to which is decided by a collation: only where equal texts have equal bytes they are told here. Binary collations that pad take 'a' for 'a '.
        var text = link.ChildColumns.Select(c => child.Row[c].Column).Concat(link.ParentColumns.Select(c => parent.Row[c].Column))
            .FirstOrDefault(c => c.CharacterSet is not null && !(c.Collation is { } name && name.EndsWith("_bin", StringComparison.Ordinal) && (c.DataType == "char" || name.Contains("0900", StringComparison.Ordinal) || name.Contains("nopad", StringComparison.Ordinal))));
        return text is null
            ? link
            : throw SyncErrors.LookupNotFollowed(child.Entity, definition.Table, $"rows refer to it by the text {text.Name}, whose collation {text.Collation} takes other texts for equal", "Refer to it by a number, a CHAR with a binary collation, or put the looked-up column into the table itself");
    }

    private static ImmutableArray<int> Columns(EntityModel model, IEnumerable<string> names) => [.. names.Select(n => EntityModel.Find(model.Row, null, n))];
}
