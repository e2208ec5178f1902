using System.Collections.Immutable;
using System.Text;

namespace BillingMigration.Model;

/// <summary>Values of columns as the source compares them in its keys.</summary>
internal static class ComparedText
{
    /// <summary>Equal for values that the source takes for equal. Where only the server knows which texts these are, case and blanks at the end do not count.</summary>
    public static string Of(ColumnSchema column, ReadOnlySpan<byte> value)
    {
        var text = KeyText.Of(column, value);
        if (!column.IsShortText() || column.Collation is not { } collation)
        {
            return text;
        }

        return CollationKey.Find(collation) is null ? text.TrimEnd(' ').ToUpperInvariant() : CollationKey.Of(collation, text);
    }

    /// <summary>True when the source takes the values of all these columns for equal, as it does in keys and foreign keys. NULL is equal to NULL.</summary>
    public static bool IsSame(this EntityModel model, RowBuffer one, RowBuffer other, ImmutableArray<int> columns)
    {
        foreach (var index in columns)
        {
            if (one.IsNull(index) != other.IsNull(index))
            {
                return false;
            }

            var column = model.Row[index].Column;
            if (!one[index].SequenceEqual(other[index]) && !(column.IsShortText() && Of(column, one[index]) == Of(column, other[index])))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>True for a text that the source takes for equal to others, which differ in more than blanks at their end.</summary>
    public static bool ComparesByCollation(this ColumnSchema column) => column.IsShortText() && column.Collation is { } collation
        && (CollationKey.Find(collation) is { } known ? known.Folds : !collation.EndsWith("_bin", StringComparison.Ordinal));

    /// <summary>The same of a column of a row's layout.</summary>
    public static bool ComparesByCollation(this EntityModel model, int index) => model.Row[index].Column.ComparesByCollation();

    /// <summary>True when a column stands in the key as its collation compares it.</summary>
    public static bool IsCollated(this KeyModel key, int index) => key.PartitionKey.Concat(key.SortKey).Any(t => t.IsCollated(index));
}
