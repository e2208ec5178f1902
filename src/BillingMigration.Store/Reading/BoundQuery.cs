using System.Collections.Immutable;
using BillingMigration.Model;

namespace BillingMigration.Store;

/// <summary>A condition whose values are canonical texts of its column.</summary>
/// <param name="Index">Of the column in the row's layout.</param>
/// <param name="Values">Exactly these; null: within <paramref name="From"/> and <paramref name="Below"/>. An entry that is null stands for NULL.</param>
internal sealed record BoundQueryCondition(int Index, ImmutableArray<byte[]?>? Values, byte[]? From, byte[]? Below)
{
    public bool IsEqual => Values is [not null];

    public bool IsNull => Values is [null];

    public bool Holds(EntityModel model, RowBuffer row)
    {
        if (Values is { } values)
        {
            foreach (var value in values)
            {
                if (value is null ? row.IsNull(Index) : !row.IsNull(Index) && row[Index].SequenceEqual(value))
                {
                    return true;
                }
            }

            return false;
        }

        var column = model.Row[Index].Column;
        return !row.IsNull(Index) && (From is null || SortValue.Compare(column, row[Index], From) >= 0) && (Below is null || SortValue.Compare(column, row[Index], Below) < 0);
    }
}

/// <summary>A query bound to an entity: conditions and order by column indexes, the place after which it goes on.</summary>
internal sealed class BoundQuery
{
    private BoundQuery(EntityModel model, ImmutableArray<BoundQueryCondition> conditions, ImmutableArray<int> order, bool descending) =>
        (Model, Conditions, Order, Descending) = (model, conditions, order, descending);

    public EntityModel Model { get; }

    public ImmutableArray<BoundQueryCondition> Conditions { get; }

    /// <summary>The column that rows are ordered by, then the primary key: so no two rows have the same place.</summary>
    public ImmutableArray<int> Order { get; }

    public bool Descending { get; }

    /// <summary>Values of <see cref="Order"/> of the row after which it goes on; null: from the start.</summary>
    public ImmutableArray<byte[]?>? After { get; init; }

    /// <summary>Rows that the caller will take, for the size of pages; null: all.</summary>
    public int? Wanted { get; init; }

    public static BoundQuery Bind(BillingModel model, RecordQuery query)
    {
        var entity = EntityOf(model, query.Entity);
        var key = entity.PrimaryKey;
        var first = query.OrderBy is { } column ? StoreColumns.Find(entity, column) : OwnOrder(entity);
        if (query.OrderBy is not null && !SortValue.CanSort(entity.Row[first].Column))
        {
            throw new StoreException(
                StoreError.OrderNotSupported, entity.Row[first].Column.Name,
                $"Rows of {entity.Entity} cannot be ordered by {entity.Row[first].Column.Name}, which is {entity.Row[first].Column.ColumnType}: the order is by a number or a date.");
        }

        return new BoundQuery(entity, BindConditions(entity, query.Conditions), [first, .. key.Where(k => k != first)], query.Descending);
    }

    public static ImmutableArray<BoundQueryCondition> BindConditions(EntityModel entity, ImmutableArray<QueryCondition> conditions) => [.. conditions.Select(c => Bind(entity, c))];

    public static EntityModel EntityOf(BillingModel model, string entity) => model.Entities.FirstOrDefault(e => e.Entity == entity) ?? throw new StoreException(
        StoreError.EntityUnknown, entity, $"There is no entity '{entity}'. The definition has: {string.Join(", ", model.Entities.Select(e => e.Entity))}.");

    /// <summary>A row that has its primary key only.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.ValueMissing"/>: other columns than those of the primary key.</exception>
    public static RowBuffer KeyOf(EntityModel entity, IReadOnlyDictionary<string, object> key)
    {
        var names = entity.PrimaryKey.Select(i => entity.Row[i].Column.Name).ToArray();
        if (key.Count != names.Length || !names.All(n => key.Keys.Contains(n, StringComparer.OrdinalIgnoreCase)))
        {
            throw new StoreException(StoreError.ValueMissing, entity.Entity, $"The primary key of {entity.Entity} is {string.Join(", ", names)}, and {string.Join(", ", key.Keys)} was passed.");
        }

        var like = RowBuffer.AllNull(entity.Row.Length);
        foreach (var (name, value) in key)
        {
            var index = StoreColumns.Find(entity, name);
            like.Set(index, StoreValue.ToCondition(entity, index, value));
        }

        return like;
    }

    public BoundQuery From(ImmutableArray<byte[]?>? after, int? wanted) => new(Model, Conditions, Order, Descending) { After = after, Wanted = wanted };

    public bool Matches(RowBuffer row)
    {
        foreach (var condition in Conditions)
        {
            if (!condition.Holds(Model, row))
            {
                return false;
            }
        }

        return After is not { } after || Compare(row, after) > 0;
    }

    /// <summary>In the order of the query, <see cref="Descending"/> included.</summary>
    public int Compare(RowBuffer one, RowBuffer other) => Compare(one, PlaceOf(other));

    /// <summary>True when only the primary key decides which of them comes first.</summary>
    public bool IsOfSameValue(RowBuffer one, RowBuffer other) => !one.Differs(other, Order[0]);

    public ImmutableArray<byte[]?> PlaceOf(RowBuffer row) => [.. Order.Select(i => row.IsNull(i) ? null : row[i].ToArray())];

    private int Compare(RowBuffer row, ImmutableArray<byte[]?> place)
    {
        for (var i = 0; i < Order.Length; i++)
        {
            if (Compare(row, Order[i], place[i]) is not 0 and var order)
            {
                return Descending ? -order : order;
            }
        }

        return 0;
    }

    /// <summary>NULL comes before every value.</summary>
    private int Compare(RowBuffer row, int column, byte[]? place) => row.IsNull(column) ? (place is null ? 0 : -1)
        : place is null ? 1
        : SortValue.Compare(Model.Row[column].Column, row[column], place);

    /// <summary>The first column of the table's sort key by which it sorts, if the partition does not fix it.</summary>
    private static int OwnOrder(EntityModel entity)
    {
        var sortKey = entity.Keys[0].SortKey[0];
        var partition = entity.Keys[0].PartitionKey[0].RowIndexes.ToHashSet();
        var first = sortKey.RowIndexes.Where(i => !partition.Contains(i)).Select(i => (int?)i).FirstOrDefault();
        return first is { } column && sortKey.SortsBy(column) && entity.Row[column].Lookup is null ? column : entity.PrimaryKey[0];
    }

    private static BoundQueryCondition Bind(EntityModel entity, QueryCondition condition)
    {
        var index = StoreColumns.Find(entity, condition.Column);
        byte[] Text(object value) => StoreValue.ToCondition(entity, index, value);
        switch (condition)
        {
            case EqualTo equal:
                return new BoundQueryCondition(index, [equal.Value is null ? null : Text(equal.Value)], null, null);
            case AnyOf any:
                return new BoundQueryCondition(index, [.. any.Values.Select(Text).DistinctBy(Convert.ToHexString)], null, null);
            case Within within when SortValue.CanSort(entity.Row[index].Column):
                return new BoundQueryCondition(index, null, within.From is null ? null : Text(within.From), within.Below is null ? null : Text(within.Below));
            default:
                throw new StoreException(
                    StoreError.OrderNotSupported, condition.Column,
                    $"{entity.Entity}.{condition.Column} is {entity.Row[index].Column.ColumnType}: a range is of numbers or dates.");
        }
    }
}
