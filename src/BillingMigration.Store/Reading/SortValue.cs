using System.Globalization;
using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Store;

/// <summary>
/// The order of a column's values, the same on every backend: numbers by their value, times by their length, dates and points in time by their text, bytes and texts (also those of
/// ENUM, SET, UUID and INET columns) by their bytes in UTF-8, whatever the collation.
/// </summary>
internal static class SortValue
{
    /// <summary>True for what a query may be ordered by, and a range be of: numbers and dates.</summary>
    public static bool CanSort(ColumnSchema column) => AttributeForms.For(column, null) is AttributeForm.Integer or AttributeForm.Decimal or AttributeForm.Date or AttributeForm.DateTime or AttributeForm.Timestamp;

    public static int Compare(ColumnSchema column, ReadOnlySpan<byte> one, ReadOnlySpan<byte> other) => column.DataType switch
    {
        "tinyint" or "smallint" or "mediumint" or "int" or "bigint" or "bit" or "year" or "decimal" or "numeric" =>
            ExactNumber.Parse(Encoding.ASCII.GetString(one), column.Scale).CompareTo(ExactNumber.Parse(Encoding.ASCII.GetString(other), column.Scale)),
        "float" or "double" or "real" => double.Parse(one, CultureInfo.InvariantCulture).CompareTo(double.Parse(other, CultureInfo.InvariantCulture)),
        "time" => TemporalText.Time(Encoding.ASCII.GetString(one)).CompareTo(TemporalText.Time(Encoding.ASCII.GetString(other))),
        _ => one.SequenceCompareTo(other),
    };
}
