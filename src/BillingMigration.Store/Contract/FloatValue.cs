using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;
using BillingMigration.Model;

namespace BillingMigration.Store;

/// <summary>Numbers of FLOAT and DOUBLE columns as the server stores them.</summary>
internal static partial class FloatValue
{
    /// <summary>The text of the number that the column stores: a FLOAT as the DOUBLE of its value, as the source is read.</summary>
    /// <exception cref="OverflowException">The column does not take it.</exception>
    public static string Text(ColumnSchema column, object value)
    {
        // A float is the number that its digits say, as in a statement; in a FLOAT column it is itself.
        var number = value is float exact && column.DataType == "float" ? exact : double.Parse(StoreValue.Digits(value), NumberStyles.Float, CultureInfo.InvariantCulture);
        var stored = Stored(column, Finite(number));
        // A statement that says -0 means the integer, which has no such zero.
        return (stored == 0 ? 0 : stored).ToString("R", CultureInfo.InvariantCulture);
    }

    /// <summary>True for the zero that the server makes of a negative number too small for the column.</summary>
    public static bool IsNegativeZero(ColumnSchema column, object value) => column.DataType is "float" or "double" or "real" && value switch
    {
        double number => number == 0 && double.IsNegative(number),
        float number => number == 0 && float.IsNegative(number),
        string text => text == "-0",
        _ => false,
    };

    public static T Finite<T>(T value)
        where T : IFloatingPointIeee754<T> => T.IsFinite(value) ? value : throw new OverflowException("it is no finite number");

    /// <summary>As Field_real::truncate of MySQL and truncate_double of MariaDB (sql/field.cc) do it, step by step: the digits depend on it.</summary>
    private static double Stored(ColumnSchema column, double number)
    {
        if (column.Unsigned && number < 0)
        {
            throw new OverflowException("it takes no negative numbers");
        }

        var most = column.DataType == "float" ? (double)float.MaxValue : double.MaxValue;
        if (DigitsAndDecimals().Match(column.ColumnType) is { Success: true } fixedPoint)
        {
            var (digits, decimals) = (Number(fixedPoint.Groups[1]), Number(fixedPoint.Groups[2]));
            var unit = PowerOfTen(decimals);
            most = Math.Min(most, PowerOfTen(digits - decimals) - (1.0 / unit));
            number = Math.Floor(number) + (Math.Round((number - Math.Floor(number)) * unit, MidpointRounding.ToEven) / unit);
        }

        // What the nearest FLOAT makes larger than the column's numbers could not be written a second time.
        var stored = column.DataType == "float" ? (float)number : number;
        return Math.Abs(number) <= most && Math.Abs(stored) <= most
            ? stored
            : throw new OverflowException(string.Create(CultureInfo.InvariantCulture, $"its range is {-most} to {most}"));
    }

    private static int Number(Group digits) => int.Parse(digits.Value, CultureInfo.InvariantCulture);

    private static double PowerOfTen(int exponent) => double.Parse(string.Create(CultureInfo.InvariantCulture, $"1E{exponent}"), CultureInfo.InvariantCulture);

    [GeneratedRegex(@"\(([0-9]+),([0-9]+)\)")]
    private static partial Regex DigitsAndDecimals();
}
