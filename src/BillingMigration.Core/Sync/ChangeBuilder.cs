using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Source.Binlog;
using BillingMigration.Source.Changes;

namespace BillingMigration.Sync;

/// <summary>What the stream says of rows, counted.</summary>
internal sealed class RowCounts
{
    public long Inserted;
    public long Updated;
    public long Deleted;
}

/// <summary>Turns changed rows into changes of items, and notes what the stream does not tell: children of changed parents, rows whose parent is not known.</summary>
internal sealed class ChangeBuilder(BillingModel model, ParentValues parents, RowCounts counts, bool setAside)
{
    private readonly Dictionary<EntityModel, ParentLink[]> below = model.All.ToDictionary(m => m, m => model.Links.OfParent(m).ToArray());

    /// <summary>Entities whose foreign keys may change rows, unseen, that others look up.</summary>
    private readonly HashSet<EntityModel> aboveLookups = [.. model.All.Where(m => model.Links.Below(m).Any(b => model.Links.OfParent(b).Any(l => l.IsLookup)))];

    /// <summary>Takes a change; false when parents must be asked for first.</summary>
    /// <exception cref="MigrationException"><c>RowsRefused</c>.</exception>
    public bool TryTake(RowChange change, ChangeWindow window)
    {
        var hasBefore = change.Kind != RowsKind.Insert;
        var hasAfter = change.Kind != RowsKind.Delete;
        var isOpen = false;
        if (!parents.HasNone(change.Model))
        {
            var givesKey = parents.GiveKey(change.Model);
            var before = hasBefore ? parents.Fill(change.Model, change.Before) : false;
            if (givesKey && before is null)
            {
                return false;
            }

            var after = hasAfter ? parents.Fill(change.Model, change.After) : false;
            if (givesKey && after is null)
            {
                return false;
            }

            // Of keys that only indexes have, the old one need not be known, and the new one is read with the row.
            (hasBefore, hasAfter, isOpen) = (before ?? true, after ?? true, after is null);
        }

        parents.Pass(change);
        NoteChildren(change, window);
        if (change.Table.Encoder is { } encoder)
        {
            window.Rows++;
            Count(change.Kind);
            Write(change, encoder, hasBefore, hasAfter, isOpen, window);
        }

        return true;
    }

    /// <exception cref="MigrationException"><c>RowsRefused</c>, unless such rows are set aside.</exception>
    private void Put(ChangeWindow window, ItemEncoder encoder, RowBuffer row)
    {
        if (!window.TryPut(encoder, row, out var refusal))
        {
            SetAside(window, encoder.Model, row, refusal, setAside);

            // What the table has of the row is out of date.
            window.TryDelete(encoder, row, out _);
        }
    }

    /// <exception cref="MigrationException"><c>RowsRefused</c>, unless such rows are set aside.</exception>
    public static void SetAside(ChangeWindow window, EntityModel model, RowBuffer row, RowRefusal refusal, bool setAside)
    {
        var refused = new SetAsideRow(model.Entity, model.Describe(row), refusal.ReasonId, refusal.Reason);
        window.SetAside.Add(setAside ? refused : throw SyncErrors.RowRefused(refused));
    }

    /// <param name="hasBefore">False: there was no row, or its parent is no more; an item that it had is then found when the stream comes to the parent's end.</param>
    /// <param name="hasAfter">False: there is no row, or its parent is no more; what became of it is then read from the source.</param>
    /// <param name="isOpen">True: its item is made with a parent that is not known; the row is read from the source.</param>
    private void Write(RowChange change, ItemEncoder encoder, bool hasBefore, bool hasAfter, bool isOpen, ChangeWindow window)
    {
        if (hasBefore && (!hasAfter || change.Table.KeyDiffers(change.Before, change.After)))
        {
            // A row without a key never was an item.
            window.TryDelete(encoder, change.Before, out _);
        }

        if (hasAfter && !isOpen)
        {
            Put(window, encoder, change.After);
        }
        else if (change.Kind != RowsKind.Delete)
        {
            window.Suspects.Add(new RowSuspect(change.Model, change.After.Copy()));
        }
    }

    private void NoteChildren(RowChange change, ChangeWindow window)
    {
        if (change.Kind == RowsKind.Insert)
        {
            return;
        }

        var after = change.Kind == RowsKind.Delete ? null : change.After;
        if (change.HidesCascades && aboveLookups.Contains(change.Model) && Cascades(change, after))
        {
            parents.Forget();
        }

        foreach (var link in below[change.Model])
        {
            if ((link.IsLookup || change.HidesCascades) && link.Acts(change.Before, after))
            {
                // Of a lookup each change is in the stream.
                var isLookedUpOnly = after is not null && !Cascades(change, after) && !below[change.Model].Any(l => change.Before.Differs(after, l.ParentColumns));
                window.Parents.Add(new ParentChange(
                    change.Model, model.Links.Identity(change.Model, change.Before), after is null ? null : model.Links.Identity(change.Model, after), change.HidesCascades,
                    Shown: isLookedUpOnly ? new ShownChildren() : null));
                return;
            }
        }
    }

    private bool Cascades(RowChange change, RowBuffer? after) => change.HidesCascades && below[change.Model].Any(l => !l.IsLookup && l.Acts(change.Before, after));

    private void Count(RowsKind kind)
    {
        switch (kind)
        {
            case RowsKind.Insert: counts.Inserted++; break;
            case RowsKind.Delete: counts.Deleted++; break;
            default: counts.Updated++; break;
        }
    }
}
