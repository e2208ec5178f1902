using System.Text;
using BillingMigration.Integrity;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Source.Changes;
using BillingMigration.Target;

namespace BillingMigration.Sync;

/// <summary>
/// What the stream does not tell is read again, never derived. Rows that a parent's change may have touched are suspects: their items are found in the table, the rows read from the
/// source, and put or deleted as it has them now. What was read is newer than the stream; each change in between comes by, and has what it concerns read once more.
/// Children are written before their parents: broken off anywhere, the same change finds the rest.
/// </summary>
internal sealed class ChildFollower(BillingModel model, ChildFinder finder, SourceLookup source, WindowWriter writer, SyncLedger ledger, bool setAside) : IDisposable
{
    private const int MostParents = 200;
    private const int MostChildren = 500;

    private readonly HashSet<string> followed = [];
    private readonly ChangeWindow page = new();
    private bool changed;

    /// <summary>Reads again what a window that is written does not tell.</summary>
    /// <param name="parents">Learns what is read with them.</param>
    public async Task FollowAsync(ChangeWindow window, ParentValues parents, CancellationToken cancellationToken)
    {
        Begin();
        await source.SeeAsync(window.ReadUpTo!, cancellationToken);
        var changes = window.Parents.All;
        await FollowAsync([.. ledger.Former.ReachedBy(changes), .. changes], cancellationToken);
        foreach (var group in window.Suspects.GroupBy(s => s.Model))
        {
            await ReadRowsAsync(group.Key, [.. group.Select(s => s.Row)], parents, cancellationToken);
        }

        await EndAsync(cancellationToken);
    }

    /// <summary>Looks a second time for the children of rows that are no more what they were, when it is time.</summary>
    /// <param name="all">False: of those of one window only, so that the next one does not wait for long.</param>
    public async Task LookAgainAsync(bool all, CancellationToken cancellationToken)
    {
        for (var more = true; more && ledger.Former.Due(ledger.Applied) is { } due; more = all)
        {
            Begin();
            await FollowAsync(due, cancellationToken);
            await EndAsync(cancellationToken);
            ledger.Former.Forget();
        }
    }

    /// <summary>Reads again what a comparison found to differ.</summary>
    public async Task RepairAsync(IReadOnlyCollection<Suspect> suspects, SourcePosition applied, CancellationToken cancellationToken)
    {
        Begin();
        await source.SeeAsync(applied, cancellationToken);
        foreach (var some in suspects.Where(s => s is { Entity: >= 0, Row: not null }).Chunk(ItemReader.MostKeys))
        {
            // What the table has of them says whose children may be wrong too: changes of their parents went past them meanwhile.
            var items = (await finder.GetAsync([.. some.Select(s => (ReadOnlyMemory<byte>)s.Key)], cancellationToken)).ToDictionary(f => f.KeyText);
            await ReadAgainAsync(
                [.. some.Select(s => items.GetValueOrDefault(s.KeyText) ?? new FoundChild(model.Entities[s.Entity], [], s.KeyText, s.Row!))], cancellationToken);
        }

        await EndAsync(cancellationToken);
    }

    public void Dispose() => page.Dispose();

    private void Begin()
    {
        followed.Clear();
        page.Clear();
    }

    private async Task EndAsync(CancellationToken cancellationToken)
    {
        if (changed || ledger.Former.Any)
        {
            var position = await source.PositionAsync(cancellationToken);
            ledger.Former.WaitFor(position);
            if (changed)
            {
                ledger.ReadAhead(position);
            }
        }

        changed = false;
    }

    private async Task FollowAsync(IReadOnlyCollection<ParentChange> changes, CancellationToken cancellationToken)
    {
        foreach (var some in changes.Where(IsNew).Chunk(MostParents))
        {
            var ways = new List<ChildWay>();
            foreach (var (link, change) in some.SelectMany(c => model.Links.OfParent(c.Parent).Where(c.Reaches).Select(link => (link, c))))
            {
                if (IsFollowed(link))
                {
                    ways.Add(new ChildWay(link, change.Before, change.Shown));
                    if (link.Way!.Index is not null && !change.Again)
                    {
                        // The index may not show all of them yet.
                        Remember(change.Parent, change.Before, change.Shown);
                    }
                }

                if (change.After is { } after && (link.GivesKey || link.Way is null) && (link.IsLookup || ledger.PassedSnapshot))
                {
                    await FollowAtSourceAsync(link, change.Before, after, cancellationToken);
                }
            }

            var found = new Dictionary<string, FoundChild>(StringComparer.Ordinal);
            await foreach (var child in finder.FindAsync(ways, cancellationToken))
            {
                found[child.KeyText] = child;
                if (found.Count >= MostChildren)
                {
                    await ReadAgainAsync(found.Values, cancellationToken);
                    found.Clear();
                }
            }

            await ReadAgainAsync(found.Values, cancellationToken);
        }
    }

    /// <returns>True when something was noted that must be saved before the row is written.</returns>
    private bool Remember(EntityModel parent, RowBuffer identity, ShownChildren? shown = null)
    {
        if (!ledger.Former.IsFull)
        {
            return ledger.Former.Add(parent, identity, shown);
        }

        return ledger.Compare(model.Links.Below(parent));
    }

    private bool IsNew(ParentChange change)
    {
        var text = new StringBuilder();
        change.Describe(text);
        return followed.Add(text.ToString());
    }

    /// <summary>False when the table cannot be asked for the children of a parent: where it must be, their entities are compared as a whole.</summary>
    private bool IsFollowed(ParentLink link)
    {
        var migrated = model.IsMigrated(link.Child);
        if ((!link.IsLookup && (!ledger.PassedSnapshot || !link.IsExact)) || (migrated && link.Way is null && (link.OnDelete || link.IsLookup)))
        {
            // While the snapshot is ahead of the stream in places, rows on the way may be gone already; and no key finds children by a text.
            ledger.Compare(model.Links.Below(link.Child).Append(link.Child));
            return false;
        }

        if (!migrated || ledger.HasSetAside(link.Child))
        {
            // Rows on the way that the table does not have.
            ledger.Compare(model.Links.Below(link.Child));
        }

        return migrated && link.Way is not null;
    }

    private async Task ReadAgainAsync(IReadOnlyCollection<FoundChild> found, CancellationToken cancellationToken)
    {
        foreach (var group in found.GroupBy(f => f.Model))
        {
            await WriteAsync(group.Key, [.. group], cancellationToken);
        }
    }

    /// <summary>Reads rows again by their primary keys, follows what became of their own children, and writes them.</summary>
    private async Task WriteAsync(EntityModel child, IReadOnlyCollection<FoundChild> found, CancellationToken cancellationToken)
    {
        var rows = await source.ReadAsync(model.All.IndexOf(child), [.. found.Select(f => f.Row)], cancellationToken);
        var differing = found.Select(f => (Found: f, Now: rows.GetValueOrDefault(child.Describe(f.Row)))).Where(f => f.Now?.Item is not { } item || !item.AsSpan().SequenceEqual(f.Found.Item)).ToArray();
        if (differing.Length == 0)
        {
            return;
        }

        var further = model.Links.HasChildren(child) ? differing.Select(d => Change(child, d.Found, d.Now?.Row)).OfType<ParentChange>().ToArray() : [];
        var isNoted = false;
        foreach (var change in further)
        {
            isNoted |= Remember(child, change.Before);
        }

        await FollowAsync(further, cancellationToken);
        Task Write() => WriteAsync(child, differing, cancellationToken);
        await (isNoted ? ledger.SaveThenAsync(Write, cancellationToken) : Write());
    }

    private async Task WriteAsync(EntityModel child, (FoundChild Found, FoundRow? Now)[] differing, CancellationToken cancellationToken)
    {
        var put = new HashSet<string>(StringComparer.Ordinal);
        foreach (var row in differing.Select(d => d.Now).OfType<FoundRow>())
        {
            Put(child, row);
            put.Add(row.KeyText ?? "");
        }

        // New items first: broken off in between, the old ones are found again.
        await FlushAsync(cancellationToken);
        foreach (var (old, _) in differing.Where(d => !put.Contains(d.Found.KeyText)))
        {
            page.Delete(Encoding.UTF8.GetBytes(old.KeyText));
        }

        await FlushAsync(cancellationToken);
    }

    /// <summary>Rows whose items the stream does not tell: as the source has them now; of those that it has no more, nothing is known to be written.</summary>
    private async Task ReadRowsAsync(EntityModel entity, IReadOnlyCollection<RowBuffer> rows, ParentValues parents, CancellationToken cancellationToken)
    {
        var age = parents.Age;
        foreach (var row in (await source.ReadAsync(model.All.IndexOf(entity), rows, cancellationToken)).Values)
        {
            Put(entity, row);
            parents.Learn(entity, row.Row, age);
        }

        changed = true;
        await FlushAsync(cancellationToken);
    }

    /// <summary>Children that took their parent's new values into their own keys, or that no key of the table finds: the source has an index on every foreign key.</summary>
    private async Task FollowAtSourceAsync(ParentLink link, RowBuffer before, RowBuffer after, CancellationToken cancellationToken)
    {
        if (!model.IsMigrated(link.Child) || ParentLink.HasNull(after, link.ParentColumns))
        {
            return;
        }

        var values = link.ParentColumns.Select(c => after[c].ToArray()).ToArray();
        await foreach (var rows in source.PagesAsync(model.All.IndexOf(link.Child), [.. link.ChildColumns], values, MostChildren, cancellationToken))
        {
            if (model.Links.HasChildren(link.Child))
            {
                var further = new List<ParentChange>();
                foreach (var row in rows)
                {
                    var was = row.Row.Copy();
                    link.Hand(before, was);
                    further.AddRange(Change(link.Child, was, row.Row) is { } change ? [change] : []);
                }

                await FollowAsync(further, cancellationToken);
            }

            foreach (var row in rows)
            {
                Put(link.Child, row);
            }

            await FlushAsync(cancellationToken);
        }
    }

    /// <summary>What became of a row; of one that had no item, its children are looked for as it is now.</summary>
    private ParentChange? Change(EntityModel parent, FoundChild found, RowBuffer? now) =>
        found.Item.Length > 0 ? Change(parent, found.Row, now)
        : now is null ? null
        : new ParentChange(parent, model.Links.Identity(parent, now), null, true, Again: true);

    private ParentChange? Change(EntityModel parent, RowBuffer before, RowBuffer? after)
    {
        var (was, now) = (model.Links.Identity(parent, before), after is null ? null : model.Links.Identity(parent, after));
        var change = new ParentChange(parent, was, now, true);
        return model.Links.OfParent(parent).Any(change.Reaches) ? change : null;
    }

    private void Put(EntityModel entity, FoundRow row)
    {
        if (row is { Item: { } item, KeyText: { } key })
        {
            page.Put(item, Encoding.UTF8.GetByteCount(key) - 1);
        }
        else
        {
            ChangeBuilder.SetAside(page, entity, row.Row, row.Refusal, setAside);
        }
    }

    private async Task FlushAsync(CancellationToken cancellationToken)
    {
        changed |= page.Count > 0;
        await writer.WriteAsync(page, cancellationToken);
        ledger.SetAside(page);
        page.Clear();
    }
}
