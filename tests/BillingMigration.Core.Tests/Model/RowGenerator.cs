using System.Globalization;
using System.Text;
using BillingMigration.Model;
using FsCheck;
using FsCheck.Fluent;

namespace BillingMigration.Tests.Model;

/// <summary>Rows as MySQL prints them, for the table of the identity test.</summary>
internal static class RowGenerator
{
    public static Gen<byte[]?[]> Rows()
    {
        var digits = Gen.Choose(0, 9).Select(d => (char)('0' + d));
        Gen<string> Digits(int count) => digits.ArrayOf(count).Select(d => new string(d));
        Gen<string> Decimal(int whole, int scale) => from sign in Gen.Elements("", "-") from a in Digits(whole) from b in Digits(scale)
            let number = a.TrimStart('0').PadLeft(1, '0') + "." + b
            select number.Trim('0', '.').Length == 0 ? number : sign + number;
        var day = from y in Gen.Choose(0, 9999) from m in Gen.Choose(0, 12) from d in Gen.Choose(0, 31) select string.Create(CultureInfo.InvariantCulture, $"{y:D4}-{m:D2}-{d:D2}");
        var clock = from h in Gen.Choose(0, 23) from m in Gen.Choose(0, 59) from s in Gen.Choose(0, 59) select string.Create(CultureInfo.InvariantCulture, $"{h:D2}:{m:D2}:{s:D2}");
        var at = from d in day from c in clock from f in Digits(6) select $"{d} {c}.{f}";
        var stamp = from d in day from c in clock from f in Digits(3) select $"{d} {c}.{f}";
        var span = from sign in Gen.Elements("", "-") from h in Gen.Choose(0, 838) from c in clock from f in Digits(6) select $"{sign}{h:D2}{c[2..]}.{f}";
        var text = ArbMap.Default.GeneratorFor<NonNull<string>>().Select(s => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(s.Get)));
        var doubles = ArbMap.Default.GeneratorFor<double>().Where(d => double.IsFinite(d) && (d == 0 ? !double.IsNegative(d) : Math.Abs(d) is > 1e-129 and < 1e125));
        var id = ArbMap.Default.GeneratorFor<ulong>().Select(v => v.ToString(CultureInfo.InvariantCulture));
        var flags = ArbMap.Default.GeneratorFor<ulong>().Select(v => v.ToString(CultureInfo.InvariantCulture));
        var year = Gen.OneOf(Gen.Constant("0000"), Gen.Choose(1901, 2155).Select(y => y.ToString(CultureInfo.InvariantCulture)));
        Gen<byte[]?>[] columns =
        [
            id.Select(Value), Nullable(Decimal(22, 8)), Nullable(Decimal(35, 30)), Nullable(day), Nullable(at), Nullable(stamp), Nullable(span), Nullable(text),
            Gen.OneOf(Gen.Constant<byte[]?>(null), ArbMap.Default.GeneratorFor<byte[]>().Select(b => (byte[]?)(b ?? []))),
            Nullable(doubles.Select(d => d.ToString("R", CultureInfo.InvariantCulture))),
            Nullable(doubles.Select(d => (double)(float)d).Where(d => double.IsFinite(d) && (d == 0 ? !double.IsNegative(d) : true)).Select(d => d.ToString("R", CultureInfo.InvariantCulture))),
            Nullable(year), Nullable(flags),
        ];
        return columns.Aggregate(Gen.Constant(Array.Empty<byte[]?>()), (rows, column) => from row in rows from value in column select row.Append(value).ToArray());
    }

    public static RowBuffer Fill(byte[]?[] values)
    {
        var row = new RowBuffer(values.Length);
        for (var i = 0; i < values.Length; i++)
        {
            if (values[i] is { } value)
            {
                row.Set(i, value);
            }
            else
            {
                row.SetNull(i);
            }
        }

        return row;
    }

    private static Gen<byte[]?> Nullable(Gen<string> texts) => Gen.Frequency((1, Gen.Constant<byte[]?>(null)), (6, texts.Select(Value)));

    private static byte[]? Value(string text) => Encoding.UTF8.GetBytes(text);
}
