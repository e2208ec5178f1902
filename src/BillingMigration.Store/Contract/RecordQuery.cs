using System.Collections.Immutable;

namespace BillingMigration.Store;

/// <summary>A condition on one column. Values are compared exactly, byte for byte, whatever the column's collation.</summary>
public abstract record QueryCondition(string Column);

/// <param name="Value">Null: the column is NULL.</param>
public sealed record EqualTo(string Column, object? Value) : QueryCondition(Column);

/// <param name="Values">None of them null.</param>
public sealed record AnyOf(string Column, ImmutableArray<object> Values) : QueryCondition(Column);

/// <summary>From a value on, up to before another; null: without that limit. For numbers, dates and points in time.</summary>
public sealed record Within(string Column, object? From, object? Below) : QueryCondition(Column);

/// <summary>Which rows of an entity, in which order.</summary>
/// <param name="Entity">As in <see cref="BillingEntity"/>, or another of the definition's.</param>
public sealed record RecordQuery(string Entity)
{
    public ImmutableArray<QueryCondition> Conditions { get; init; } = [];

    /// <summary>A number or a date; rows of the same value come in the order of their primary key. Null: the entity's own order, by the date in its sort key, or by its primary key.</summary>
    public string? OrderBy { get; init; }

    public bool Descending { get; init; }

    public RecordQuery Where(string column, object? value) => And(new EqualTo(column, value));

    public RecordQuery WhereAnyOf(string column, params IEnumerable<object> values) => And(new AnyOf(column, [.. values]));

    public RecordQuery WhereWithin(string column, object? from, object? below) => And(new Within(column, from, below));

    private RecordQuery And(QueryCondition condition) => this with { Conditions = Conditions.Add(condition) };
}

/// <param name="Continuation">Passed to the next call, of this store or of another backend's; null: these were the last.</param>
public sealed record RecordPage(ImmutableArray<BillingRecord> Records, string? Continuation);

/// <summary>Sums over rows, in groups.</summary>
/// <param name="Entity">As in <see cref="RecordQuery"/>.</param>
/// <param name="Sums">DECIMAL and integer columns.</param>
public sealed record TotalQuery(string Entity, params ImmutableArray<string> Sums)
{
    public ImmutableArray<QueryCondition> Conditions { get; init; } = [];

    /// <summary>Columns whose values make the groups.</summary>
    public ImmutableArray<string> GroupBy { get; init; } = [];

    /// <summary>A date whose month makes the groups, besides <see cref="GroupBy"/>.</summary>
    public string? ByMonthOf { get; init; }

    public TotalQuery Where(string column, object? value) => this with { Conditions = Conditions.Add(new EqualTo(column, value)) };

    public TotalQuery WhereAnyOf(string column, params IEnumerable<object> values) => this with { Conditions = Conditions.Add(new AnyOf(column, [.. values])) };

    public TotalQuery WhereWithin(string column, object? from, object? below) => this with { Conditions = Conditions.Add(new Within(column, from, below)) };
}

/// <param name="Group">Values of the groups' columns as canonical texts, the month (<c>2026-01</c>) last; null for NULL.</param>
/// <param name="Count">Rows.</param>
/// <param name="Sums">Exact, with as many decimals as the column; null where every value was NULL, as SUM gives it.</param>
public sealed record TotalRow(ImmutableArray<string?> Group, long Count, ImmutableArray<string?> Sums)
{
    /// <summary>Adds up rows of the same query over different conditions: one row for each group.</summary>
    public static IReadOnlyList<TotalRow> Merge(IEnumerable<TotalRow> rows) => TotalOrder.Sort(rows.GroupBy(r => TotalOrder.KeyOf(r.Group)).Select(same => new TotalRow(
        same.First().Group, same.Sum(r => r.Count), [.. Enumerable.Range(0, same.First().Sums.Length).Select(i => ExactNumber.Add(same.Select(r => r.Sums[i])))])));

    /// <exception cref="OverflowException">More than 28 digits.</exception>
    public decimal Sum(int index) => Sums[index] is { } sum ? decimal.Parse(sum, System.Globalization.CultureInfo.InvariantCulture) : 0;
}
