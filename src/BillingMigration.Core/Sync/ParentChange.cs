using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Sync;

/// <summary>A parent's row whose change reached children that are not in the stream.</summary>
/// <param name="Before">What of the row decides who refers to it, as it was.</param>
/// <param name="After">The same as it is; null: it is deleted.</param>
/// <param name="HidesCascades">True when its foreign keys acted unseen; lookups always do.</param>
/// <param name="Again">True when its children are looked for a second time, whatever became of it.</param>
/// <param name="Shown">What an index shows of its children; null: that says nothing of them, when they are looked for a second time.</param>
internal sealed record ParentChange(EntityModel Parent, RowBuffer Before, RowBuffer? After, bool HidesCascades, bool Again = false, ShownChildren? Shown = null)
{
    public bool Reaches(ParentLink link) => (link.IsLookup || HidesCascades)
        && (Again ? (link.OnDelete || link.OnUpdate) && !ParentLink.HasNull(Before, link.ParentColumns) : link.Acts(Before, After));

    public void Describe(StringBuilder text)
    {
        text.Append(Parent.Table.Name).Append(HidesCascades ? '!' : ' ');
        Append(text, Before);
        Append(text.Append('>'), After);
    }

    internal static void Append(StringBuilder text, RowBuffer? row)
    {
        for (var i = 0; i < row?.Count; i++)
        {
            text.Append(row.IsNull(i) ? "-" : Convert.ToHexString(row[i])).Append(' ');
        }
    }
}

/// <summary>A row whose item must be made of what the source has of it now.</summary>
/// <param name="Row">Has at least the primary key.</param>
internal sealed record RowSuspect(EntityModel Model, RowBuffer Row);

/// <summary>Changes of parents, each once.</summary>
internal sealed class ParentChanges
{
    private readonly HashSet<string> known = [];
    private readonly List<ParentChange> changes = [];
    private readonly StringBuilder text = new();

    public int Count => changes.Count;

    public IReadOnlyList<ParentChange> All => changes;

    public void Add(ParentChange change)
    {
        text.Clear();
        change.Describe(text);
        if (known.Add(text.ToString()))
        {
            changes.Add(change);
        }
    }

    public void Clear()
    {
        known.Clear();
        changes.Clear();
    }
}
