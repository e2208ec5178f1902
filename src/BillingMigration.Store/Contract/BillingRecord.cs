using BillingMigration.Model;

namespace BillingMigration.Store;

/// <summary>
/// One row of an entity, whichever backend it came from. Two records are equal when each column has the same value, byte for byte. Never changes.
/// </summary>
public sealed class BillingRecord : IEquatable<BillingRecord>
{
    internal BillingRecord(EntityModel model, RowBuffer row) => (Model, Row) = (model, row);

    public string Entity => Model.Entity;

    /// <summary>The source's column names, in their order; columns that are not migrated are not among them.</summary>
    public IEnumerable<string> Columns => Model.Attributes.Select(a => a.Column.Name);

    internal EntityModel Model { get; }

    internal RowBuffer Row { get; }

    /// <summary>
    /// A column's value: <see cref="long"/> or <see cref="ulong"/> (BIGINT UNSIGNED), <see cref="decimal"/>, <see cref="float"/>, <see cref="double"/>, <see cref="DateOnly"/>,
    /// <see cref="DateTime"/> (UTC for TIMESTAMP, else without a zone), <see cref="TimeSpan"/>, array of bytes, <see cref="string"/>; null for NULL. What .NET's type cannot hold (a
    /// DECIMAL of more than 28 digits, a zero date) is its text.
    /// </summary>
    /// <exception cref="StoreException"><see cref="StoreError.ColumnUnknown"/>.</exception>
    public object? this[string column]
    {
        get
        {
            var at = StoreColumns.Find(Model, column);
            return Row.IsNull(at) ? null : StoreValue.ToObject(Model.Row[at].Column, Row[at]);
        }
    }

    /// <summary>The value of a column that is not NULL, converted without loss.</summary>
    /// <exception cref="InvalidCastException">It is NULL, or of another type.</exception>
    public T Get<T>(string column) => this[column] switch
    {
        T value => value,
        IConvertible value when typeof(T).IsPrimitive || typeof(T) == typeof(decimal) => (T)Convert.ChangeType(value, typeof(T), System.Globalization.CultureInfo.InvariantCulture),
        null => throw new InvalidCastException($"{Entity}.{column} is NULL."),
        var value => throw new InvalidCastException($"{Entity}.{column} is a {value.GetType().Name}, not a {typeof(T).Name}."),
    };

    /// <summary>The column's canonical text, as the source prints it; hex digits for binary columns; null for NULL.</summary>
    public string? Text(string column)
    {
        var at = StoreColumns.Find(Model, column);
        return Row.IsNull(at) ? null : KeyText.Of(Model.Row[at].Column, Row[at]);
    }

    public bool IsSensitive(string column) => Model.Attributes.First(a => a.RowIndex == StoreColumns.Find(Model, column)).Sensitive;

    public bool Equals(BillingRecord? other) =>
        other is not null && other.Entity == Entity && Model.Attributes.All(a => Row.IsNull(a.RowIndex) == other.Row.IsNull(a.RowIndex) && Row[a.RowIndex].SequenceEqual(other.Row[a.RowIndex]));

    public override bool Equals(object? obj) => Equals(obj as BillingRecord);

    public override int GetHashCode() => ToString().GetHashCode(StringComparison.Ordinal);

    /// <summary>Entity and primary key.</summary>
    public override string ToString() => $"{Entity} {Model.Describe(Row)}";
}

internal static class StoreColumns
{
    /// <returns>Index in the row's layout.</returns>
    public static int Find(EntityModel model, string column) => EntityModel.Find(model.Row, null, column) is >= 0 and var at && model.Attributes.Any(a => a.RowIndex == at)
        ? at
        : throw new StoreException(
            StoreError.ColumnUnknown, column,
            $"{model.Entity} has no column '{column}'. It has: {string.Join(", ", model.Attributes.Select(a => a.Column.Name))}.");
}
