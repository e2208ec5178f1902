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
                case Refusal.Claimed claimed when !changes[claimed.Change].HasGeneratedKey || claimed.Value.Constraint != UniqueValue.PrimaryKey:
                    Left.Remove(claimed.Value);
                    if (await side.Rows.FindClaimAsync(claimed.Value, cancellationToken) is { } claim)
                    {
                        // A large unit writes the row of its claim last.
                        held = claim.Holder is { } holder && await side.Versions.FindHolderAsync(claim.Item.Pk, cancellationToken) == holder ? claim.Item.Pk : held;
                        Left[claimed.Value] = held is not null || await side.Rows.HolderAsync(changes[claimed.Change].Model, claimed.Value, claim, cancellationToken) is null
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
/// and stay, children of what is deleted go with it, lose their reference, or forbid it.
/// </summary>
internal sealed class UnitBuilder(TableSide side)
{
    private readonly Deletion deletion = new(side);
    private readonly ParentParts parents = new(side);

    /// <param name="asked">Changes in their order.</param>
    /// <param name="found">What earlier attempts have found out.</param>
    /// <param name="epoch">Of the route.</param>
    /// <param name="cancellationToken">Nothing is written.</param>
    /// <exception cref="StoreException">The unit is refused.</exception>
    /// <exception cref="PartitionHeldException">A large unit is at work there.</exception>
    public async Task<UnitParts> BuildAsync(IReadOnlyList<RowChange> asked, UnitFindings found, long? epoch, CancellationToken cancellationToken)
    {
        var parts = new UnitParts(side.Model.Definition, side.Keys) { Epoch = epoch };
        var changes = new List<RowChange>();
        for (var i = 0; i < asked.Count; i++)
        {
            changes.Add(asked[i].Add is { } sum && !TryAdd(parts, asked[i], sum, i, found) ? await SumAsync(asked[i], sum, cancellationToken) : asked[i]);
            if (changes[i] is { Before: { } before, Model: var entity } && !entity.Definition.Lookups.IsEmpty)
            {
                // Another store may have read it, in whose rows they do not stand.
                changes[i] = changes[i] with { Before = await side.Rows.WithLookupsAsync(entity, before, [], cancellationToken) };
            }
        }

        await deletion.AddChildrenAsync(changes, parts, cancellationToken);
        await AddAsync(parts, changes, found, cancellationToken);
        return parts;
    }

    /// <summary>Adds changes of rows with all that belongs to them.</summary>
    private async Task AddAsync(UnitParts parts, List<RowChange> changes, UnitFindings found, CancellationToken cancellationToken)
    {
        // Rows first: what else is required of an item that is written here is required by its write.
        var items = await AddRowsAsync(parts, changes, cancellationToken);
        for (var i = 0; i < changes.Count; i++)
        {
            await AddUniqueAsync(parts, changes, i, items[i], found, cancellationToken);
            await parents.AddAsync(parts, changes, i, items[i] is { } item ? ItemCodec.Key(item) : null, cancellationToken);
        }
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
    public async Task AddLeavingAsync(UnitParts parts, IReadOnlyList<RowChange> changes, CancellationToken cancellationToken)
    {
        await AddRowsAsync(parts, changes, cancellationToken);
        foreach (var change in changes)
        {
            parents.Forget(parts, change);
            foreach (var value in change.After is null ? UniqueValue.Of(change.Model, change.Before!) : [])
            {
                parts.GiveBack(value);
            }
        }
    }

    /// <summary>Claims and requires all that a row needs, which is written later.</summary>
    public async Task AnnounceAsync(UnitParts parts, RowChange change, UnitFindings found, CancellationToken cancellationToken)
    {
        var item = await EncodeAsync(change.Model, change.After, [], cancellationToken);
        await AddUniqueAsync(parts, [change], 0, item, found, cancellationToken);
        await parents.AddAsync(parts, [change], 0, ItemCodec.Key(item!), cancellationToken);
    }

    /// <summary>Says of rows in other partitions that they refer to a row that is written later.</summary>
    public void Refer(UnitParts parts, IEnumerable<RowChange> children, EntityModel parent, RowBuffer row)
    {
        foreach (var child in children)
        {
            foreach (var reference in Reference.Of(side.Model, child.Model).Where(r => r.Parent == parent && r.IsSet(child.After!) && parent.IsSame(r.ParentRow(child.After!), row, r.ParentColumns)))
            {
                parents.Refer(parts, reference, RowFinder.KeyOf(parent, row, null)!.Value, RowFinder.KeyOf(child.Model, child.After!, null)!.Value);
            }
        }
    }

    /// <summary>Holds a row of a large unit to its foreign keys once more, and leaves what says whom it refers to: the partitions of its parents are the unit's own.</summary>
    public Task ReferAsync(UnitParts parts, RowChange change, CancellationToken cancellationToken) =>
        parents.AddAsync(parts, [change], 0, RowFinder.KeyOf(change.Model, change.After!, null), cancellationToken);

    private async Task<Dictionary<string, AttributeValue>?> EncodeAsync(EntityModel entity, RowBuffer? row, IReadOnlyList<RowChange> unit, CancellationToken cancellationToken) =>
        row is null ? null : side.Items.Encode(entity, await side.Rows.WithLookupsAsync(entity, row, unit, cancellationToken));

    /// <returns>False: the row must be read.</returns>
    private bool TryAdd(UnitParts parts, RowChange change, Addition sum, int place, UnitFindings found)
    {
        var entity = change.Model;
        if (found.NotAdded.Contains(place) || sum.Limits(entity) is not var (attribute, by, least, most) || RowFinder.KeyOf(entity, sum.Key, entity.PrimaryKey) is not { } key)
        {
            return false;
        }

        var item = new Dictionary<string, AttributeValue> { [EntityModel.PartitionKey] = new(key.Pk), [EntityModel.SortKey] = new(key.Sk) };
        var condition = new ItemCondition("#0 BETWEEN :0 AND :1", new() { ["#0"] = attribute }, new() { [":0"] = new() { N = least }, [":1"] = new() { N = most } });
        if (RowImage.MovesVersion(entity))
        {
            parts.Touch(key.Pk);
        }

        var now = sum.Now.IsEmpty ? [] : side.Items.Encode(entity, sum.Stamped(entity)).Where(a => sum.Now.Any(n => entity.Attributes.First(e => e.RowIndex == n.Column).Name == a.Key)).ToDictionary();
        parts.Update(item, condition, now, [], new Refusal.NotAdded(place), (attribute, new AttributeValue { N = by }));
        return true;
    }

    private async Task<RowChange> SumAsync(RowChange change, Addition sum, CancellationToken cancellationToken)
    {
        var entity = change.Model;
        var row = await side.Rows.FindAsync(entity, sum.Key, entity.PrimaryKey, cancellationToken) ?? throw StoreErrors.Gone(entity, sum.Key);
        return new RowChange(entity, row, sum.To(entity, row)) { IsFound = true };
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
            free[ItemCodec.Key(items[i].Before!)] = (await StillAsync(parts, changes[i], items[i].Before!, [], cancellationToken), changed);
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

            if (before is not null)
            {
                await CarryAsync(change, before, after, free, cancellationToken);
            }

            var isLeft = free.Remove(ItemCodec.Key(after), out var former);
            parts.Put(after, former.Still, isLeft ? former.Changed : change.IsFound ? new Refusal.LookAgain() : change.HasGeneratedKey ? new Refusal.KeyGiven(i) : new Refusal.Told(StoreErrors.Duplicate(UniqueValue.PrimaryKey)));
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
            parts.Update(ItemCodec.KeyOf(after), still, set, remove, changed);
        }
        else
        {
            parts.Require(ItemCodec.KeyOf(after), still, changed);
        }
    }

    /// <summary>An item that gets another key takes along what this process does not know of it.</summary>
    private async Task CarryAsync(RowChange change, Dictionary<string, AttributeValue> before, Dictionary<string, AttributeValue> after, Dictionary<ItemKey, (ItemCondition Still, Refusal Changed)> free, CancellationToken cancellationToken)
    {
        var key = ItemCodec.Key(before);
        var known = change.Model.Attributes.Select(a => a.Name).Concat(change.Model.Keys.SelectMany(k => new[] { k.PartitionKeyAttribute, k.SortKeyAttribute })).Append(EntityModel.EntityAttribute).ToHashSet();
        var unknown = (await side.Rows.ItemAsync(key, cancellationToken) ?? []).Where(a => !known.Contains(a.Key)).ToArray();
        foreach (var (name, value) in unknown)
        {
            after[name] = value;
        }

        if (unknown.Length > 0 && free.TryGetValue(key, out var left) && !RowImage.IsWide(change.Model))
        {
            free[key] = (RowImage.Is(change.Model, before, unknown), left.Changed);
        }
    }

    /// <summary>The condition that a row is as it was read.</summary>
    private async Task<ItemCondition> StillAsync(UnitParts parts, RowChange change, Dictionary<string, AttributeValue> before, KeyValuePair<string, AttributeValue>[] unknown, CancellationToken cancellationToken)
    {
        var key = ItemCodec.Key(before);
        if (!RowImage.IsWide(change.Model))
        {
            if (RowImage.MovesVersion(change.Model))
            {
                parts.Touch(key.Pk);
            }

            return RowImage.Is(change.Model, before, unknown);
        }

        foreach (var (partition, version) in await side.Versions.ReadAsync([key.Pk], null, cancellationToken))
        {
            parts.RequireVersion(partition, version);
        }

        var now = await side.Rows.GetAsync(change.Model, key, cancellationToken) ?? throw StoreErrors.Gone(change.Model, change.Before!);
        return new BillingRecord(change.Model, now).Equals(new BillingRecord(change.Model, change.Before!)) ? ItemCondition.Present : throw StoreErrors.Changed(change.Model, change.Before!);
    }

    /// <summary>Made before the condition: keys that become known later are news.</summary>
    private static Refusal Changed(RowChange change)
    {
        var cipher = change.Model.Attributes.Any(a => a.Encrypted) ? change.Model.Cipher : null;
        return change.IsFound ? new Refusal.LookAgain() : new Refusal.Changed(StoreErrors.Changed(change.Model, change.Before!), cipher, cipher?.Ring);
    }

    /// <summary>Adds the claims of unique values that a row takes, and gives back those that it leaves.</summary>
    private async Task AddUniqueAsync(UnitParts parts, List<RowChange> changes, int place, Dictionary<string, AttributeValue>? item, UnitFindings found, CancellationToken cancellationToken)
    {
        var change = changes[place];
        var old = change.Before is null ? [] : UniqueValue.Of(change.Model, change.Before).ToDictionary(v => v.Constraint);
        var now = change.After is null ? [] : UniqueValue.Of(change.Model, change.After).ToDictionary(v => v.Constraint);
        foreach (var value in old.Values.Where(v => now.GetValueOrDefault(v.Constraint)?.Text != v.Text))
        {
            parts.GiveBack(value);
        }

        foreach (var value in now.Values)
        {
            if (old.GetValueOrDefault(value.Constraint)?.Text != value.Text)
            {
                await RequireFreeAsync(change, [.. changes.Take(place).Where(c => c.Model == change.Model)], value, cancellationToken);
                parts.Claim(place, value, item!, isNew: true, found.Left.GetValueOrDefault(value), side.Calls.NewId());
            }
            else if (change.Moves)
            {
                parts.Claim(place, value, item!, isNew: false, null, side.Calls.NewId());
            }
        }
    }

    /// <summary>Rows that were migrated have no claim; an index shows them.</summary>
    /// <param name="earlier">Changes of the same unit and entity before it: a value that one of them leaves is free, one that it takes is not.</param>
    private async Task RequireFreeAsync(RowChange change, RowChange[] earlier, UniqueValue value, CancellationToken cancellationToken)
    {
        if (earlier.Any(c => c.After is { } row && UniqueValue.Of(c.Model, row).Any(v => v.Constraint == value.Constraint && v.Text == value.Text)))
        {
            throw StoreErrors.Duplicate(value.Constraint);
        }

        if (change.HasGeneratedKey && value.Constraint == UniqueValue.PrimaryKey)
        {
            return;
        }

        var holder = await side.Rows.FindMigratedAsync(change.Model, change.After!, value.Columns, cancellationToken);
        if (holder is not null && !earlier.Any(c => c.Before is { } former && !former.Differs(holder, c.Model.PrimaryKey)))
        {
            throw StoreErrors.Duplicate(value.Constraint);
        }
    }
}
