using System.Collections.Immutable;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>What earlier attempts of a unit have found out.</summary>
internal sealed class UnitFindings
{
    /// <summary>Changes by their place that cannot be added blindly.</summary>
    public HashSet<int> NotAdded { get; } = [];

    /// <summary>Versions of claims that nobody holds any more, by their value.</summary>
    public Dictionary<UniqueValue, string> Left { get; } = [];

    /// <summary>Learns from a refusal how the unit is made again.</summary>
    /// <param name="changes">Of the unit, in their order.</param>
    /// <exception cref="StoreException">The refusal is the unit's.</exception>
    /// <exception cref="PartitionHeldException">A large unit is at work there.</exception>
    public async Task<bool> LearnAsync(TableSide side, IEnumerable<Refusal> refused, IReadOnlyList<(EntityModel Model, bool HasGeneratedKey)> changes, CancellationToken cancellationToken)
    {
        string? held = null;
        foreach (var refusal in refused)
        {
            switch (refusal)
            {
                case Refusal.Told told when await Refusal.ToldByAsync([told], cancellationToken) is { } error:
                    throw error;
                case Refusal.NotAdded added:
                    NotAdded.Add(added.Change);
                    break;
                case Refusal.Held by:
                    held = by.Partition;
                    break;
                case Refusal.Claimed claimed when claimed.Change < 0 || !changes[claimed.Change].HasGeneratedKey || claimed.Value.Constraint != UniqueValue.PrimaryKey:
                    Left.Remove(claimed.Value);
                    if (await side.Rows.FindClaimAsync(claimed.Value, cancellationToken) is { } claim)
                    {
                        // Until a large unit ends, its claims are its own, also when it was set aside.
                        held = claim.Holder is not { } holder || await side.FindIntentAsync(holder, cancellationToken) is not { } intent ? held
                            : intent.ContainsKey("reason") ? throw StoreErrors.Duplicate(claimed.Value.Constraint) : claim.Item.Pk;
                        Left[claimed.Value] = held is not null || await side.Rows.HolderAsync(side.Model[claimed.Value.Entity], claimed.Value, claim, cancellationToken) is null
                            ? claim.Version : throw StoreErrors.Duplicate(claimed.Value.Constraint);
                    }

                    break;
            }
        }

        if (held is not null)
        {
            Left.Clear();
        }

        return held is null ? true : throw new PartitionHeldException(held);
    }
}

/// <summary>
/// Makes the parts of a transaction from changes of rows, with the guarantees of unique and foreign keys: rows are still as they were read, unique values are claimed in the control table, parents are there
/// and stay, children of what is deleted go with it, lose their reference, or forbid it. Each unit moves the versions of the partitions that it writes to.
/// </summary>
internal sealed class UnitBuilder(TableSide side)
{
    /// <param name="asked">Changes in their order, with their rows as they will be.</param>
    /// <param name="found">What earlier attempts have found out.</param>
    /// <param name="epoch">Of the route.</param>
    /// <param name="taken">What the unit has taken for itself before.</param>
    /// <param name="cancellationToken">Nothing is written.</param>
    /// <returns>The parts, and of each change the row as the unit leaves it: null where it is deleted, or was only added to.</returns>
    /// <exception cref="StoreException">The unit is refused.</exception>
    /// <exception cref="PartitionHeldException">A large unit is at work there.</exception>
    public async Task<(UnitParts Parts, ImmutableArray<RowBuffer?> Rows)> BuildAsync(
        IReadOnlyList<(PlannedChange Change, RowBuffer? Row)> asked, UnitFindings found, long? epoch, UnitLock? taken, CancellationToken cancellationToken)
    {
        var parts = new UnitParts(side.Model.Definition, side.Keys) { Epoch = epoch, Lock = taken };
        var rows = new UnitRows(side, parts);
        var read = new RowChange?[asked.Count];
        for (var i = 0; i < asked.Count; i++)
        {
            var change = asked[i].Change;
            // Another store may have read it, in whose rows the columns of lookups do not stand.
            if (change.Before is { } before)
            {
                read[i] = rows.Know(change.Model, change.Model.Definition.Lookups.IsEmpty ? before : await side.Rows.WithLookupsAsync(change.Model, before, [], cancellationToken), change.IsFound);
                read[i]!.Place = i;
            }
        }

        for (var i = 0; i < asked.Count; i++)
        {
            try
            {
                read[i] = await ChangeAsync(i) ?? read[i];
            }
            catch (StoreException e) when (e.Error != StoreError.ParentMissing)
            {
                // The source is told of the changes before first.
                await rows.RefuseOrphansAsync(cancellationToken);
                throw;
            }
        }

        await AddAsync(parts, rows, found, cancellationToken);
        return (parts, [.. read.Select(r => r?.After)]);

        async Task<RowChange?> ChangeAsync(int i)
        {
            var (change, row) = asked[i];
            var entity = change.Model;
            if (change.Add is { } sum)
            {
                if (found.NotAdded.Contains(i) || !IsAlone(asked, i, sum) || !TryAdd(parts, entity, sum, i))
                {
                    var to = rows.Find(entity, sum.Key)
                        ?? rows.Know(entity, await side.Rows.FindAsync(entity, sum.Key, entity.PrimaryKey, cancellationToken) ?? throw StoreErrors.Gone(entity, sum.Key), isFound: true);
                    var added = to.After is { } now && entity.IsSame(now, sum.Key, entity.PrimaryKey) ? now : throw StoreErrors.Gone(entity, sum.Key);
                    await rows.UpdateAsync(to, sum.To(entity, added), cancellationToken);
                }
            }
            else if (read[i] is not { } known)
            {
                return await rows.InsertAsync(entity, row!, i, change.GeneratedKey >= 0, cancellationToken);
            }
            else if (row is null)
            {
                await rows.DeleteAsync(known, cancellationToken);
            }
            else
            {
                await rows.UpdateAsync(known, Merged(known.After ?? throw StoreErrors.Gone(entity, known.Row), change.Before!, row), cancellationToken);
            }

            return null;
        }
    }

    /// <summary>Adds what is made of the rows: the same for a unit and for a part of a large one.</summary>
    public async Task AddAsync(UnitParts parts, UnitRows rows, UnitFindings found, CancellationToken cancellationToken)
    {
        var changes = rows.All;
        var items = await AddRowsAsync(parts, changes, cancellationToken);
        rows.RequireParents();
        AddUnique(parts, changes, items, found);
        foreach (var change in changes)
        {
            await ReferAsync(parts, change, cancellationToken);
        }

        await FollowMovedAsync(parts, changes, cancellationToken);
    }

    /// <summary>Adds the writes of rows alone, for a part of a large unit that has claimed and required all else.</summary>
    /// <returns>The items as they will be; null for those deleted.</returns>
    public async Task<IReadOnlyList<Dictionary<string, AttributeValue>?>> AddRowsAsync(UnitParts parts, IReadOnlyList<RowChange> changes, CancellationToken cancellationToken)
    {
        var items = new (Dictionary<string, AttributeValue>? Before, Dictionary<string, AttributeValue>? After)[changes.Count];
        for (var i = 0; i < changes.Count; i++)
        {
            items[i] = (await EncodeAsync(changes[i].Model, changes[i].Before, [], cancellationToken), await EncodeAsync(changes[i].Model, changes[i].After, changes, cancellationToken));
        }

        await AddRowsAsync(parts, changes, items, cancellationToken);
        return [.. items.Select(i => i.After)];
    }

    /// <summary>Adds the deletion of rows, or of their references, with what they leave in the control table.</summary>
    /// <param name="keep">Their unique values stay claimed, by the large unit that is announced.</param>
    public async Task AddLeavingAsync(UnitParts parts, IReadOnlyList<RowChange> changes, CancellationToken cancellationToken, bool keep = false)
    {
        await AddRowsAsync(parts, changes, cancellationToken);
        foreach (var change in changes)
        {
            await ReferAsync(parts, change, cancellationToken);
            foreach (var value in UniqueValue.Of(change.Model, change.Before!).Except(change.After is null ? [] : UniqueValue.Of(change.Model, change.After)))
            {
                if (keep)
                {
                    parts.Claim(change.Place, value, ItemCodec.Attributes(RowFinder.KeyOf(change.Model, change.Before!, null)!.Value), isNew: false, null, side.Calls.NewId());
                }
                else
                {
                    parts.GiveBack(value, null);
                }
            }
        }
    }

    /// <summary>Gives back what is still claimed for a large unit.</summary>
    public async Task AddGivingBackAsync(UnitParts parts, Intent intent, CancellationToken cancellationToken)
    {
        foreach (var value in UniqueValue.Of(intent.Entity, intent.Row))
        {
            if (await side.Rows.FindClaimAsync(value, cancellationToken) is { } claim && claim.Holder == intent.Id)
            {
                parts.GiveBack(value, intent.Id);
            }
        }
    }

    /// <summary>Claims and requires all that a row needs, which is written later.</summary>
    public async Task AnnounceAsync(
        UnitParts parts, RowBuffer row, EntityModel entity, bool hasGeneratedKey, UnitFindings found, CancellationToken cancellationToken)
    {
        var rows = new UnitRows(side, parts);
        await rows.InsertAsync(entity, row, 0, hasGeneratedKey, cancellationToken);
        var item = (await EncodeAsync(entity, row, [], cancellationToken))!;
        parts.Touch(ItemCodec.Key(item).Pk);
        // Its place is taken by nobody until it is written: the unit holds the partition from then on.
        parts.Require(ItemCodec.KeyOf(item), ItemCondition.Absent, Taken(rows.All[0]));
        rows.RequireParents();
        AddUnique(parts, rows.All, [item], found);
    }

    /// <summary>
    /// Leaves for whoever looks for a parent's children that one is in another partition, and takes back what was left for the former parent where
    /// its key is known; what stays is held against the row when it is used.
    /// </summary>
    public async Task ReferAsync(UnitParts parts, RowChange change, CancellationToken cancellationToken)
    {
        var (former, own) = (change.Before is null ? null : RowFinder.KeyOf(change.Model, change.Before, null), change.After is null ? null : RowFinder.KeyOf(change.Model, change.After, null));
        foreach (var reference in Reference.Of(side.Model, change.Model).Where(r => change.Moves || change.Changes(r.ChildColumns)))
        {
            if (former is { } left && reference.IsSet(change.Before!) && RowFinder.KeyOf(reference.Parent, reference.ParentRow(change.Before!), reference.ParentColumns) is { } of && of.Pk != left.Pk)
            {
                parts.Control(new TransactWriteItem { Delete = new Delete { TableName = side.Keys.Table, Key = side.Keys.Reference(reference, reference.ParentRow(change.Before!), left) } }, new Refusal.LookAgain());
            }

            if (own is { } now && reference.IsSet(change.After!))
            {
                // A parent that a large unit has yet to write, or has deleted, is nowhere.
                var parent = change.Parents.TryGetValue(reference, out var known) ? known : await ParentOfAsync(reference, change.After!, cancellationToken);
                if (parent is { } there)
                {
                    parts.Touch(there.Pk);
                }

                Refer(parts, reference, reference.ParentRow(change.After!), parent?.Pk, now);
            }
        }
    }

    private async Task<ItemKey?> ParentOfAsync(Reference reference, RowBuffer row, CancellationToken cancellationToken)
    {
        var (parent, wanted) = (reference.Parent, reference.ParentRow(row));
        return RowFinder.KeyOf(parent, wanted, reference.ParentColumns)
            ?? (await side.Rows.FindAsync(parent, wanted, reference.ParentColumns, cancellationToken) is { } there ? RowFinder.KeyOf(parent, await side.Rows.WithLookupsAsync(parent, there, [], cancellationToken), null) : null);
    }

    /// <param name="parent">Has the columns that are referred to.</param>
    /// <param name="partition">Where the parent is; null: nowhere.</param>
    private void Refer(UnitParts parts, Reference reference, RowBuffer parent, string? partition, ItemKey own)
    {
        if (partition != own.Pk)
        {
            var item = side.Keys.Reference(reference, parent, own);
            item["kind"] = new AttributeValue("Reference");
            item["itemPk"] = new AttributeValue(own.Pk);
            item["itemSk"] = new AttributeValue(own.Sk);
            parts.Note(item);
            if (partition is not null)
            {
                parts.Bring(partition, own);
            }
        }
    }

    /// <summary>Children in the partition that a parent leaves had nothing to say.</summary>
    private async Task FollowMovedAsync(UnitParts parts, IReadOnlyList<RowChange> changes, CancellationToken cancellationToken)
    {
        foreach (var parent in changes.Where(c => c.Moves && !Reference.To(side.Model, c.Model).IsEmpty))
        {
            var (from, to) = (RowFinder.KeyOf(parent.Model, parent.Before!, null)!.Value, RowFinder.KeyOf(parent.Model, parent.After!, null)!.Value.Pk);
            if (from.Pk == to)
            {
                continue;
            }

            var version = (await side.Versions.ReadAsync([from.Pk], parts.Own, cancellationToken))[from.Pk];
            var recent = await side.Rows.RecentAsync(version, cancellationToken);
            foreach (var reference in Reference.To(side.Model, parent.Model))
            {
                foreach (var (_, child) in recent.Where(r => r.Model == reference.Child && reference.Refers(r.Row, parent.Row)))
                {
                    Refer(parts, reference, parent.Row, to, RowFinder.KeyOf(reference.Child, child, null)!.Value);
                }

                await foreach (var child in side.Rows.ChildrenAsync(reference, parent.Row, from, cancellationToken))
                {
                    Refer(parts, reference, parent.Row, to, RowFinder.KeyOf(reference.Child, child, null)!.Value);
                    parts.RequireFits(parent.Model.Entity);
                }

                foreach (var child in changes.Where(c => c.Model == reference.Child && c.After is { } row && reference.Refers(row, parent.Row)))
                {
                    Refer(parts, reference, parent.Row, to, RowFinder.KeyOf(child.Model, child.After!, null)!.Value);
                }
            }
        }
    }

    private async Task<Dictionary<string, AttributeValue>?> EncodeAsync(EntityModel entity, RowBuffer? row, IReadOnlyList<RowChange> unit, CancellationToken cancellationToken) =>
        row is null ? null : side.Items.Encode(entity, await side.Rows.WithLookupsAsync(entity, row, unit, cancellationToken));

    /// <summary>What an update changes, changed in a row that an earlier change may have changed already.</summary>
    private static RowBuffer Merged(RowBuffer now, RowBuffer read, RowBuffer wanted)
    {
        var row = now.Copy();
        for (var i = 0; i < row.Count; i++)
        {
            if (read.Differs(wanted, i))
            {
                row.Take(i, wanted, i);
            }
        }

        return row;
    }

    /// <summary>No other change of the unit has to do with the row.</summary>
    private static bool IsAlone(IReadOnlyList<(PlannedChange Change, RowBuffer? Row)> asked, int place, Addition sum)
    {
        var entity = asked[place].Change.Model;
        return !asked.Any(a => a.Change is { After: null, Add: null })
            && !asked.Where((a, i) => i != place && a.Change.Model == entity && entity.IsSame(a.Row ?? a.Change.Add!.Key, sum.Key, entity.PrimaryKey)).Any();
    }

    /// <returns>False: the row must be read.</returns>
    private bool TryAdd(UnitParts parts, EntityModel entity, Addition sum, int place)
    {
        if (sum.Limits(entity) is not var (attribute, by, least, most) || RowFinder.KeyOf(entity, sum.Key, entity.PrimaryKey) is not { } key)
        {
            return false;
        }

        var condition = new ItemCondition("#0 BETWEEN :0 AND :1", new() { ["#0"] = attribute }, new() { [":0"] = new() { N = least }, [":1"] = new() { N = most } });
        Touch(parts, entity, key.Pk);
        var now = sum.Now.IsEmpty ? [] : side.Items.Encode(entity, sum.Stamped(entity)).Where(a => sum.Now.Any(n => entity.Attributes.First(e => e.RowIndex == n.Column).Name == a.Key)).ToDictionary();
        parts.Update(ItemCodec.Attributes(key), condition, now, [], new Refusal.NotAdded(place), (attribute, new AttributeValue { N = by }));
        return true;
    }

    /// <summary>
    /// The version of a partition moves with each write to it, unless there is nothing that could be decided by it: a row that no other has to do
    /// with, and whose item never moves.
    /// </summary>
    private void Touch(UnitParts parts, EntityModel entity, string partition)
    {
        if (RowImage.MayBeWide(entity) || UniqueValue.HasPrimaryKey(entity) || !Reference.Of(side.Model, entity).IsEmpty || !Reference.To(side.Model, entity).IsEmpty)
        {
            parts.Touch(partition);
        }
    }

    private async Task AddRowsAsync(
        UnitParts parts, IReadOnlyList<RowChange> changes, (Dictionary<string, AttributeValue>? Before, Dictionary<string, AttributeValue>? After)[] items, CancellationToken cancellationToken)
    {
        // What one change leaves, another may take: then the two are one write.
        var free = new Dictionary<ItemKey, (ItemCondition Still, Refusal Changed)>();
        var leaving = Enumerable.Range(0, changes.Count).Where(i => items[i].Before is not null && (items[i].After is null || changes[i].Moves)).ToArray();
        foreach (var i in leaving)
        {
            var changed = Changed(changes[i]);
            var unknown = changes[i].Moves ? await CarryAsync(parts, changes[i], items[i].Before!, items[i].After!, cancellationToken) : [];
            free[ItemCodec.Key(items[i].Before!)] = (await StillAsync(parts, changes[i], items[i].Before!, unknown, cancellationToken), changed);
            Touch(parts, changes[i].Model, ItemCodec.Key(items[i].Before!).Pk);
        }

        for (var i = 0; i < changes.Count; i++)
        {
            var (change, (before, after)) = (changes[i], items[i]);
            if (after is null)
            {
                continue;
            }

            if (before is not null && !change.Moves)
            {
                await UpdateAsync(parts, change, before, after, cancellationToken);
                continue;
            }

            foreach (var (name, value) in change.Unknown)
            {
                after[name] = value;
            }

            var isLeft = free.Remove(ItemCodec.Key(after), out var former);
            Touch(parts, change.Model, ItemCodec.Key(after).Pk);
            parts.Bring(ItemCodec.Key(after).Pk, ItemCodec.Key(after));
            parts.Put(after, former.Still, isLeft ? former.Changed : Taken(change));
        }

        foreach (var i in leaving.Where(i => free.ContainsKey(ItemCodec.Key(items[i].Before!))))
        {
            var (still, changed) = free[ItemCodec.Key(items[i].Before!)];
            parts.Delete(ItemCodec.KeyOf(items[i].Before!), still, changed);
        }
    }

    private async Task UpdateAsync(UnitParts parts, RowChange change, Dictionary<string, AttributeValue> before, Dictionary<string, AttributeValue> after, CancellationToken cancellationToken)
    {
        var set = after.Where(a => !before.TryGetValue(a.Key, out var old) || !ItemCodec.IsSame(old, a.Value)).ToDictionary();
        var remove = before.Keys.Where(k => !after.ContainsKey(k)).ToArray();
        var changed = Changed(change);
        var still = await StillAsync(parts, change, before, [], cancellationToken);
        if (set.Count + remove.Length > 0)
        {
            Touch(parts, change.Model, ItemCodec.Key(after).Pk);
            if (Reference.Of(side.Model, change.Model).Any(r => change.Changes(r.ChildColumns)))
            {
                parts.Bring(ItemCodec.Key(after).Pk, ItemCodec.Key(after));
            }

            parts.Update(ItemCodec.KeyOf(after), still, set, remove, changed);
        }
        else
        {
            parts.Require(ItemCodec.KeyOf(after), still, changed);
        }
    }

    /// <summary>
    /// An item that gets another key takes along what this process does not know of it; the version of its partition says that nobody has set more of
    /// that meanwhile.
    /// </summary>
    private async Task<KeyValuePair<string, AttributeValue>[]> CarryAsync(
        UnitParts parts, RowChange change, Dictionary<string, AttributeValue> before, Dictionary<string, AttributeValue> after, CancellationToken cancellationToken)
    {
        var key = ItemCodec.Key(before);
        var (item, version) = await side.Versions.ReadWithAsync(side.Model.Definition.Target.Table, key, parts.Own, cancellationToken);
        parts.RequireVersion(key.Pk, version);
        var unknown = ItemCodec.UnknownOf(change.Model, item ?? []);
        foreach (var (name, value) in unknown)
        {
            after[name] = value;
        }

        return unknown;
    }

    /// <summary>The condition that a row is as it was read.</summary>
    private async Task<ItemCondition> StillAsync(UnitParts parts, RowChange change, Dictionary<string, AttributeValue> before, KeyValuePair<string, AttributeValue>[] unknown, CancellationToken cancellationToken)
    {
        var key = ItemCodec.Key(before);
        if (!RowImage.IsWide(change.Model))
        {
            return RowImage.Is(change.Model, before, unknown);
        }

        // Together: what the last transaction has written to the item is there from then on.
        var (_, version) = await side.Versions.ReadWithAsync(side.Model.Definition.Target.Table, key, parts.Own, cancellationToken);
        parts.RequireVersion(key.Pk, version);
        var now = await side.Rows.GetAsync(change.Model, key, cancellationToken);
        var isSame = now is not null && new BillingRecord(change.Model, now).Equals(new BillingRecord(change.Model, change.Before!));
        return isSame ? ItemCondition.Present
            : change.IsFound ? ItemCondition.Never
            : throw (now is null ? StoreErrors.Gone(change.Model, change.Before!) : StoreErrors.Changed(change.Model, change.Before!));
   }

    /// <summary>There is an item already where a row gets one.</summary>
    private static Refusal Taken(RowChange change) =>
        change.Before is { } row && !row.Differs(change.After!, change.Model.PrimaryKey) ? Changed(change)
        : change.IsFound ? new Refusal.LookAgain()
        : change.HasGeneratedKey ? new Refusal.KeyGiven(change.Place)
        : new Refusal.Told(StoreErrors.Duplicate(UniqueValue.PrimaryKey));

    /// <summary>Made before the condition: keys that become known later are news.</summary>
    private static Refusal Changed(RowChange change)
    {
        var cipher = change.Model.Attributes.Any(a => a.Encrypted) ? change.Model.Cipher : null;
        return change.IsFound ? new Refusal.LookAgain() : new Refusal.Changed(StoreErrors.Changed(change.Model, change.Before!), cipher, cipher?.Ring);
    }

    /// <summary>Gives back the claims of unique values that rows leave, and adds those of values that they take.</summary>
    private void AddUnique(UnitParts parts, IReadOnlyList<RowChange> changes, IReadOnlyList<Dictionary<string, AttributeValue>?> items, UnitFindings found)
    {
        var values = changes.Select(c => (
            Old: c.Before is null ? [] : UniqueValue.Of(c.Model, c.Before).ToHashSet(),
            Now: c.After is null ? [] : UniqueValue.Of(c.Model, c.After).ToArray())).ToArray();
        foreach (var value in values.SelectMany(v => v.Old.Except(v.Now)))
        {
            parts.GiveBack(value, null);
        }

        for (var i = 0; i < changes.Count; i++)
        {
            foreach (var value in values[i].Now)
            {
                var isNew = !values[i].Old.Contains(value);
                if (isNew || changes[i].Moves)
                {
                    parts.Claim(changes[i].Place, value, items[i]!, isNew, isNew ? found.Left.GetValueOrDefault(value) : null, side.Calls.NewId());
                }
            }
        }

        foreach (var change in changes.Where(c => c is { Before: null, After: null }))
        {
            if (!UniqueValue.HasPrimaryKey(change.Model) && RowFinder.KeyOf(change.Model, change.Row, null) is { } key
                && !changes.Any(c => c.Model == change.Model && c.Before is { } before && RowFinder.KeyOf(c.Model, before, null) == key))
            {
                parts.Require(ItemCodec.Attributes(key), ItemCondition.Absent, Taken(change));
            }

            foreach (var value in UniqueValue.Of(change.Model, change.Row))
            {
                parts.RequireUnclaimed(change.Place, value, found.Left.GetValueOrDefault(value));
            }
        }
    }
}
