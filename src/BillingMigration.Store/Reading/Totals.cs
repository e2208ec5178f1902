using System.Collections.Immutable;
using System.Numerics;
using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Store;

/// <summary>A query of sums bound to an entity.</summary>
internal sealed record BoundTotals(
    EntityModel Model, ImmutableArray<BoundQueryCondition> Conditions, ImmutableArray<int> Sums, ImmutableArray<int> GroupBy, int? MonthOf)
{
    public IReadOnlyCollection<int> Columns => [.. Conditions.Select(c => c.Index).Concat(Sums).Concat(GroupBy).Concat(MonthOf is { } month ? [month] : []).Distinct()];

    public static BoundTotals Bind(BillingModel model, TotalQuery query)
    {
        var entity = BoundQuery.EntityOf(model, query.Entity);
        var sums = query.Sums.Select(c => StoreColumns.Find(entity, c)).ToImmutableArray();
        foreach (var index in sums.Where(i => AttributeForms.For(entity.Row[i].Column, null) is not (AttributeForm.Integer or AttributeForm.Decimal)))
        {
            throw new StoreException(
                StoreError.SumNotExact, entity.Row[index].Column.Name,
                $"{entity.Entity}.{entity.Row[index].Column.Name} is {entity.Row[index].Column.ColumnType}: only DECIMAL and integer columns are added up exactly.");
        }

        int? month = query.ByMonthOf is { } column ? StoreColumns.Find(entity, column) : null;
        if (month is { } date && AttributeForms.For(entity.Row[date].Column, null) is not (AttributeForm.Date or AttributeForm.DateTime or AttributeForm.Timestamp))
        {
            throw new StoreException(StoreError.ValueInvalid, query.ByMonthOf!, $"{entity.Entity}.{query.ByMonthOf} is {entity.Row[date].Column.ColumnType}: months are those of a date.");
        }

        return new BoundTotals(entity, BoundQuery.BindConditions(entity, query.Conditions), sums, [.. query.GroupBy.Select(c => StoreColumns.Find(entity, c))], month);
    }

    public bool Matches(RowBuffer row) => Conditions.All(c => c.Holds(Model, row));
}

/// <summary>Sums of the rows seen so far, one set for each group. Not thread-safe: one for each reader, then merged.</summary>
internal sealed class TotalGroups(BoundTotals query)
{
    private readonly Dictionary<string, Group> groups = new(StringComparer.Ordinal);

    private sealed class Group(ImmutableArray<string?> values, int sums)
    {
        public ImmutableArray<string?> Values { get; } = values;

        public long Count { get; set; }

        /// <summary>Null where every value was NULL.</summary>
        public BigInteger?[] Sums { get; } = new BigInteger?[sums];
    }

    public void Add(RowBuffer row)
    {
        var group = Find([.. query.GroupBy.Select(i => Text(row, i)), .. query.MonthOf is { } month ? new[] { Text(row, month)?[..7] } : []]);
        group.Count++;
        for (var i = 0; i < query.Sums.Length; i++)
        {
            var column = query.Sums[i];
            if (!row.IsNull(column))
            {
                group.Sums[i] = (group.Sums[i] ?? 0) + ExactNumber.Parse(Encoding.ASCII.GetString(row[column]), query.Model.Row[column].Column.Scale);
            }
        }
    }

    public void Add(TotalGroups other)
    {
        foreach (var (_, more) in other.groups)
        {
            var group = Find(more.Values);
            group.Count += more.Count;
            for (var i = 0; i < group.Sums.Length; i++)
            {
                group.Sums[i] = (group.Sums[i], more.Sums[i]) switch { (null, var b) => b, (var a, null) => a, var (a, b) => a + b };
            }
        }
    }

    public IReadOnlyList<TotalRow> ToRows()
    {
        if (query.GroupBy.IsEmpty && query.MonthOf is null)
        {
            Find([]);
        }

        return TotalOrder.Sort(groups.Values.Select(g => new TotalRow(
            g.Values, g.Count, [.. g.Sums.Select((sum, i) => sum is { } exact ? ExactNumber.Text(exact, query.Model.Row[query.Sums[i]].Column.Scale) : null)])));
    }

    private Group Find(ImmutableArray<string?> values)
    {
        var key = TotalOrder.KeyOf(values);
        if (!groups.TryGetValue(key, out var group))
        {
            groups.Add(key, group = new Group(values, query.Sums.Length));
        }

        return group;
    }

    private string? Text(RowBuffer row, int column) => row.IsNull(column) ? null : KeyText.Of(query.Model.Row[column].Column, row[column]);
}

internal static class TotalOrder
{
    /// <summary>Equal for equal groups.</summary>
    public static string KeyOf(ImmutableArray<string?> group) => JoinedText.Of(group);

    /// <summary>By the groups' texts, NULL first, whatever the backend's collation.</summary>
    public static IReadOnlyList<TotalRow> Sort(IEnumerable<TotalRow> rows) => [.. rows.Order(Comparer<TotalRow>.Create((one, other) =>
    {
        for (var i = 0; i < one.Group.Length; i++)
        {
            if (string.CompareOrdinal(one.Group[i], other.Group[i]) is not 0 and var order)
            {
                return order;
            }
        }

        return 0;
    }))];
}
