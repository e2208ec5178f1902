using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store;

/// <summary>What of a query's order the sort keys of a partition give.</summary>
internal enum GivenOrder
{
    /// <summary>Nothing: rows are to be sorted.</summary>
    None,

    /// <summary>The column that rows are ordered by; those of equal value lie in another order than that of the primary key.</summary>
    First,

    Whole,
}

/// <summary>The way to the rows of a query: a key, the partitions to read and the part of their sort keys.</summary>
/// <param name="Partitions">Values of the partition key.</param>
/// <param name="From">Smallest sort key; null: none.</param>
/// <param name="Below">The sort keys are smaller; null: no limit.</param>
/// <param name="IsExact">True when nothing is found but what the conditions ask for.</param>
/// <param name="Order">What of the query's order each partition has by itself.</param>
internal sealed record AccessPath(KeyModel Key, ImmutableArray<string> Partitions, string? From, string? Below, bool IsExact, GivenOrder Order)
{
    private const int MostPartitions = 2_000;

    private static readonly int MonthLength = "yyyy-MM".Length;

    /// <summary>The partitions in the query's order: all rows of one step come before those of the next.</summary>
    public ImmutableArray<ImmutableArray<string>> Steps { get; private init; } = [Partitions];

    /// <summary>The narrowest way: that which uses most conditions, then the fewest partitions, then the table itself.</summary>
    /// <param name="rank">Comes before all that: the ways of the smallest. Null: all are alike.</param>
    /// <exception cref="StoreException"><see cref="StoreError.NoAccessPath"/>.</exception>
    public static AccessPath Find(EntityModel model, ImmutableArray<BoundQueryCondition> conditions, BoundQuery? query, Func<KeyModel, int>? rank = null) =>
        TryFind(model, conditions, query, rank) ?? throw new StoreException(
            StoreError.NoAccessPath, model.Entity,
            $"No key of the table finds {model.Entity} by {Columns(model, conditions)}: all of it would be read. {Advice(model, conditions)}");

    /// <inheritdoc cref="Find"/>
    /// <returns>Null: there is none.</returns>
    public static AccessPath? TryFind(EntityModel model, ImmutableArray<BoundQueryCondition> conditions, BoundQuery? query, Func<KeyModel, int>? rank = null) =>
        model.Keys.Select(key => Try(model, key, conditions, query)).OfType<(AccessPath Path, int Used)>()
            .OrderBy(w => rank?.Invoke(w.Path.Key) ?? 0).ThenByDescending(w => w.Used)
            .ThenBy(w => w.Path.Partitions.Length).ThenBy(w => w.Path.Key.Index is null ? 0 : 1)
            .FirstOrDefault().Path;

    /// <summary>An index that answers the conditions: what is equal in its partition key, a range in its sort key.</summary>
    private static string Advice(EntityModel model, ImmutableArray<BoundQueryCondition> conditions)
    {
        if (conditions.IsEmpty)
        {
            return "Add a condition.";
        }

        var ranges = conditions.Where(c => c.Values is null).Select(c => c.Index).Distinct();
        var equal = conditions.Where(c => c.Values is { } values && values.Any(v => v is not null)).Select(c => c.Index).Distinct();
        var (partition, sort) = IndexFor(model, [.. equal], [.. ranges]);
        return $"Add an index to the definition whose partition key is made of the columns that are equal, and whose sort key begins with that of the range, for example \"pk\": \"{partition}\", \"sk\": \"{sort}\".";
    }

    /// <summary>The key templates of an index that finds rows by columns that are equal, and by a range. They begin with the entity's name, so that no other entity's keys are the same.</summary>
    public static (string PartitionKey, string SortKey) IndexFor(EntityModel model, ImmutableArray<int> equal, ImmutableArray<int> ranges)
    {
        string Name(int index) => model.Row[index].Column.Name;
        string Plain(int index) => model.ComparesByCollation(index) && CollationKey.Of(model.Row[index].Column) is not null ? $"{{{Name(index)}:{KeyColumn.Collated}}}" : $"{{{Name(index)}}}";
        string Sorted(int index) => AttributeForms.For(model.Row[index].Column, null) == AttributeForm.Integer ? $"{{{Name(index)}:D20}}" : Plain(index);
        return (
            string.Join('#', equal.IsEmpty ? [model.Entity, "ALL"] : equal.Select(Plain).Prepend(model.Entity)),
            string.Join('#', ranges.Concat(model.PrimaryKey.Where(k => !equal.Contains(k))).Distinct().Select(Sorted).Prepend(model.Entity)));
    }

    /// <summary>The way in the table itself, which is consistent; null: its key does not find rows by these conditions.</summary>
    public static AccessPath? FindInTable(EntityModel model, ImmutableArray<BoundQueryCondition> conditions) => Try(model, model.Keys[0], conditions, null)?.Path;

    /// <summary>All rows of an entity in one partition of the table.</summary>
    public static AccessPath OfPartition(EntityModel model, string partition)
    {
        var prefix = model.Keys[0].SortKey[0].LiteralPrefix;
        return new AccessPath(model.Keys[0], [partition], prefix.Length > 0 ? prefix : null, prefix.Length > 0 ? ItemQuery.Behind(prefix) : null, false, GivenOrder.None);
    }

    private static string Columns(EntityModel model, ImmutableArray<BoundQueryCondition> conditions) =>
        conditions.IsEmpty ? "nothing" : string.Join(", ", conditions.Select(c => model.Row[c.Index].Column.Name));

    private static (AccessPath Path, int Used)? Try(EntityModel model, KeyModel key, ImmutableArray<BoundQueryCondition> conditions, BoundQuery? query)
    {
        var known = conditions.GroupBy(c => c.Index).ToDictionary(g => g.Key, g => g.First());
        if (key.When is { } when && !(known.TryGetValue(when.RowIndex, out var state) && state.Values is { } states && states.All(s => s is not null && when.In.Any(i => i.AsSpan().SequenceEqual(s)))))
        {
            return null;
        }

        var template = TemplateOf(key, known);
        if (template is null || key.SortKey.Length != 1 || Candidates(model, template, known) is not { } rows)
        {
            return null;
        }

        var used = new HashSet<int>(template.RowIndexes.Where(known.ContainsKey));
        used.UnionWith(key.PartitionKey.TakeWhile(t => t != template).SelectMany(t => t.RowIndexes).Where(known.ContainsKey));
        if (key.When is { } condition)
        {
            used.Add(condition.RowIndex);
        }

        var partitions = rows.Select(row => Render(template, row)).OfType<string>().Distinct(StringComparer.Ordinal).ToImmutableArray();
        var sort = key.SortKey[0];
        // What is not in an index because a column of its key is NULL would be missed.
        if (key.Index is not null && sort.RowIndexes.Any(i => model.Row[i].Column.Nullable && !(known.TryGetValue(i, out var bound) && !bound.IsNull)))
        {
            return null;
        }

        if (Range(model, sort, known, query, used) is not var (from, below) || IsEmpty(from, below))
        {
            // No row has such a key.
            return (new AccessPath(key, [], null, null, true, GivenOrder.Whole), used.Count);
        }

        // Texts that are equal to the collation share a key, and not to a query.
        var isExact = used.Count == known.Count && known.Count == conditions.Length && !used.Any(key.IsCollated);
        return (new AccessPath(key, partitions, from, below, isExact, OrderOf(sort, known, query)) { Steps = StepsOf(template, rows, query) ?? [partitions] }, used.Count);
    }

    /// <summary>Months of the column that the query's rows are ordered by, without those that lie before the place after which it goes on. Null: the partitions are none.</summary>
    private static ImmutableArray<ImmutableArray<string>>? StepsOf(BoundKeyTemplate template, List<RowBuffer> rows, BoundQuery? query)
    {
        if (query is null || !template.IsMonthOf(query.Order[0]))
        {
            return null;
        }

        static string Month(ReadOnlySpan<byte> date) => Encoding.ASCII.GetString(date[..MonthLength]);
        var after = query.After?[0] is { } place ? Month(place) : null;
        var months = rows.GroupBy(row => Month(row[query.Order[0]])).OrderBy(m => m.Key, StringComparer.Ordinal)
            .Where(m => after is null || (query.Descending ? string.CompareOrdinal(m.Key, after) <= 0 : string.CompareOrdinal(m.Key, after) >= 0))
            .Select(m => m.Select(row => Render(template, row)).OfType<string>().Distinct(StringComparer.Ordinal).ToImmutableArray());
        return [.. query.Descending ? months.Reverse() : months];
    }

    /// <summary>Places in the query's order that no condition fixes.</summary>
    private static int[] Free(BoundQuery query, Dictionary<int, BoundQueryCondition> known) =>
        [.. Enumerable.Range(0, query.Order.Length).Where(i => !(known.TryGetValue(query.Order[i], out var condition) && (condition.IsEqual || condition.IsNull)))];

    /// <summary>Follows the columns of the sort key as far as they are those of the query's order and sort as their values do.</summary>
    private static GivenOrder OrderOf(BoundKeyTemplate sort, Dictionary<int, BoundQueryCondition> known, BoundQuery? query)
    {
        if (query is null)
        {
            return GivenOrder.None;
        }

        var free = Free(query, known).Select(i => query.Order[i]).ToArray();
        var given = sort.RowIndexes.Where(i => !(known.TryGetValue(i, out var condition) && condition.IsEqual)).Distinct().Zip(free).TakeWhile(pair => pair.First == pair.Second && sort.SortsBy(pair.First)).Count();
        return given == free.Length ? GivenOrder.Whole : given > 0 ? GivenOrder.First : GivenOrder.None;
    }

    /// <summary>A range that ends before it begins; DynamoDB refuses it.</summary>
    private static bool IsEmpty(string? from, string? below) => from is not null && below is not null && Encoding.UTF8.GetBytes(from).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(below)) >= 0;

    /// <summary>The first template that has a value in every row of the query; those before it must have none.</summary>
    private static BoundKeyTemplate? TemplateOf(KeyModel key, Dictionary<int, BoundQueryCondition> known)
    {
        foreach (var template in key.PartitionKey)
        {
            if (template.RowIndexes.Any(i => known.TryGetValue(i, out var condition) && condition.IsNull))
            {
                continue;
            }

            return template;
        }

        return null;
    }

    /// <summary>Rows that have, between them, every partition key in which rows of the query may lie; null: too many, or not known.</summary>
    private static List<RowBuffer>? Candidates(EntityModel model, BoundKeyTemplate template, Dictionary<int, BoundQueryCondition> known)
    {
        var rows = new List<RowBuffer> { RowBuffer.AllNull(model.Row.Length) };
        foreach (var index in template.RowIndexes.Distinct())
        {
            var values = known.TryGetValue(index, out var condition) && condition.Values is { } exact ? exact.OfType<byte[]>().ToList()
                : template.IsMonthOf(index) && condition is { From: { } from, Below: { } below } ? Months(from, below)
                : template.ShardsOf(index) is > 0 and var shards && model.Row[index].Lookup is null && !model.Row[index].Column.Nullable && AttributeForms.For(model.Row[index].Column, null) == AttributeForm.Integer
                    ? [.. Enumerable.Range(0, shards).Select(s => Encoding.ASCII.GetBytes(s.ToString(CultureInfo.InvariantCulture)))]
                    : null;
            if (values is null || values.Count * rows.Count > MostPartitions)
            {
                return null;
            }

            rows = [.. rows.SelectMany(row => values.Select(value =>
            {
                var copy = row.Copy();
                copy.Set(index, value);
                return copy;
            }))];
        }

        return rows;
    }

    private static List<byte[]>? Months(byte[] from, byte[] below)
    {
        var text = (From: Encoding.ASCII.GetString(from), Below: Encoding.ASCII.GetString(below));
        if (!DateOnly.TryParseExact(text.From[..10], "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var month)
            || !DateOnly.TryParseExact(text.Below[..10], "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var end))
        {
            return null;
        }

        var months = new List<byte[]>();
        for (month = new DateOnly(month.Year, month.Month, 1); month <= end && months.Count <= MostPartitions; month = month.AddMonths(1))
        {
            // As long as the column's text, so that it is one.
            months.Add(Encoding.ASCII.GetBytes(month.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) + text.From[10..]));
        }

        return months;
    }

    private static string? Render(BoundKeyTemplate template, RowBuffer row)
    {
        var text = new ScratchBuffer();
        return template.TryRender(row, text, out _) ? Encoding.UTF8.GetString(text.Written) : null;
    }

    /// <returns>Null when a value cannot be part of a key.</returns>
    private static (string? From, string? Below)? Range(
        EntityModel model, BoundKeyTemplate sort, Dictionary<int, BoundQueryCondition> known, BoundQuery? query, HashSet<int> used)
    {
        var row = RowBuffer.AllNull(model.Row.Length);
        foreach (var (index, condition) in known.Where(k => k.Value.IsEqual))
        {
            row.Set(index, condition.Values!.Value[0]!);
        }

        if (Known(sort, row, i => known.TryGetValue(i, out var condition) && condition.IsEqual, out var next) is not { } prefix)
        {
            return null;
        }

        used.UnionWith(sort.RowIndexes.TakeWhile(i => i != next).Where(known.ContainsKey));
        var (from, below) = (prefix.Length > 0 ? prefix : null, prefix.Length > 0 ? ItemQuery.Behind(prefix) : null);
        if (next < 0)
        {
            return (prefix, ItemQuery.Behind(prefix));
        }

        if (!sort.SortsBy(next))
        {
            return (from, below);
        }

        known.TryGetValue(next, out var within);
        var (least, beyond) = (within?.From, within?.Below);
        if (query is { After: { } after } && Free(query, known) is var free && free.Length > 0 && query.Order[free[0]] == next && after[free[0]] is { } place)
        {
            // Rows of the same value are read again, and passed over.
            (least, beyond) = query.Descending
                ? (least, beyond is null || SortValue.Compare(model.Row[next].Column, place, beyond) < 0 ? Next(place) : beyond)
                : (least is null || SortValue.Compare(model.Row[next].Column, place, least) > 0 ? place : least, beyond);
        }

        if (within is not null)
        {
            used.Add(next);
        }

        return (Bound(sort, row, known, next, least) ?? from, Bound(sort, row, known, next, beyond) ?? below);
    }

    /// <summary>Stands for what comes right behind every key of this value.</summary>
    private static byte[] Next(byte[] value) => [.. value, (byte)'~'];

    private static string? Bound(BoundKeyTemplate sort, RowBuffer row, Dictionary<int, BoundQueryCondition> known, int column, byte[]? value)
    {
        if (value is null)
        {
            return null;
        }

        if (value is [.., (byte)'~'])
        {
            return Bound(sort, row, known, column, value[..^1]) is { } exact ? ItemQuery.Behind(exact) : null;
        }

        var bounded = row.Copy();
        bounded.Set(column, value);
        return Known(sort, bounded, i => i == column || (known.TryGetValue(i, out var condition) && condition.IsEqual), out _);
    }

    private static string? Known(BoundKeyTemplate sort, RowBuffer row, Func<int, bool> isKnown, out int next)
    {
        var text = new ScratchBuffer();
        return sort.TryRenderKnown(row, isKnown, text, out next) ? Encoding.UTF8.GetString(text.Written) : null;
    }
}
