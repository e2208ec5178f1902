using System.Collections.Immutable;
using BillingMigration.Model;

namespace BillingMigration.Sync;

/// <summary>Which changes of which table reach into others, by the foreign keys of the migrated tables.</summary>
internal sealed class CascadePlan
{
    // Foreign keys that refer to each other in a circle hand no value on for longer.
    private const int LongestChain = 16;

    private readonly ILookup<EntityModel, CascadeLink> links;
    private readonly Dictionary<CascadeLink, List<CascadeLink>> flows = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<EntityModel> leavingOrphans = [];
    private readonly HashSet<EntityModel> breakingApart = [];
    private readonly HashSet<string> strangers;

    public CascadePlan(BillingModel model)
    {
        var byTable = model.Entities.ToDictionary(e => e.Table.Name, StringComparer.OrdinalIgnoreCase);
        var keys = model.Entities.SelectMany(child => child.Table.ForeignKeys.Where(k => CascadeLink.Acts(k)).Select(key => (child, key))).ToArray();
        links = keys.Where(k => byTable.ContainsKey(k.key.ReferencedTable))
            .ToLookup(k => byTable[k.key.ReferencedTable], k => CascadeLink.Of(k.child, k.key, byTable[k.key.ReferencedTable]));
        strangers = keys.Select(k => k.key.ReferencedTable).Where(t => !byTable.ContainsKey(t)).ToHashSet(StringComparer.OrdinalIgnoreCase);
        foreach (var parent in links)
        {
            foreach (var link in parent)
            {
                FindFlows(parent.Key, link, link, 1);
            }
        }
    }

    /// <summary>All foreign keys that act, with the entity that they refer to.</summary>
    public IEnumerable<(EntityModel Parent, CascadeLink Link)> Links => links.SelectMany(g => g.Select(link => (g.Key, link)));

    /// <summary>True for a table that is not migrated, and whose changes reach into one that is.</summary>
    public bool IsStrangeParent(string table) => strangers.Contains(table);

    public bool HasLinks(EntityModel parent) => links.Contains(parent);

    /// <summary>True when a delete goes through children to rows that hold nothing of the parent's key: without the children they are not found.</summary>
    public bool LeavesOrphans(EntityModel parent) => leavingOrphans.Contains(parent);

    /// <summary>True when a change goes through children to rows that hold a part of the parent's key only.</summary>
    public bool BreaksApart(EntityModel parent) => breakingApart.Contains(parent);

    /// <summary>Adds what a change of a parent row does to its children.</summary>
    /// <param name="after">Null: the row was deleted.</param>
    /// <exception cref="MigrationException"><c>CascadeNotCaptured</c>: a column of the key is not migrated, or compared by a collation.</exception>
    public void Collect(EntityModel parent, RowBuffer before, RowBuffer? after, List<CascadeTrigger> into)
    {
        foreach (var link in links[parent])
        {
            link.EnsureFollowable(parent);
            var acts = (after is null ? link.OnDelete : link.OnUpdate) != CascadeAction.None;
            if (acts && !link.ParentColumns.Any(before.IsNull) && (after is null || BoundTable.Differ(before, after, link.ParentColumns.AsSpan())))
            {
                into.Add(new CascadeTrigger(link, [.. link.ParentColumns.Select(c => before[c].ToArray())], after is null ? null : [.. link.ParentColumns.Select(c => after.IsNull(c) ? null : after[c].ToArray())]));
            }
        }
    }

    /// <summary>
    /// Adds what a change does to rows further down that hold the parent's values themselves. While the table is ahead of the stream in places, the row
    /// between them may be gone already.
    /// </summary>
    public void CollectFlows(CascadeTrigger trigger, List<CascadeTrigger> into)
    {
        foreach (var flow in flows.GetValueOrDefault(trigger.Link, []))
        {
            var further = trigger with { Link = flow };
            if (further.Action != CascadeAction.None)
            {
                into.Add(further);
            }
        }
    }

    private void FindFlows(EntityModel root, CascadeLink first, CascadeLink through, int length)
    {
        foreach (var link in links[through.Child])
        {
            var handed = through.ChildColumns.Select(c => link.ParentColumns.IndexOf(c)).ToArray();
            if (handed.All(at => at >= 0) && length < LongestChain)
            {
                var flow = through.Then(link, [.. handed.Select(at => link.ChildColumns[at])]);
                (flows.TryGetValue(first, out var known) ? known : flows[first] = []).Add(flow);
                FindFlows(root, first, flow, length + 1);
                continue;
            }

            if (through.OnDelete == CascadeAction.Delete && link.OnDelete != CascadeAction.None)
            {
                leavingOrphans.Add(root);
            }

            if (handed.Any(at => at >= 0) && link.OnUpdate != CascadeAction.None && (through.OnUpdate != CascadeAction.None || through.OnDelete is CascadeAction.SetNull or CascadeAction.UpdateToNull))
            {
                breakingApart.Add(root);
            }
        }
    }
}
