using System.Buffers;
using System.Globalization;
using System.Text;

namespace BillingMigration.Source.Binlog;

/// <summary>Writes JSON as MySQL prints it: <c>{"a": 1, "b": [true, 1.0]}</c> (sql-common/json_dom.cc).</summary>
internal sealed class JsonText
{
    // my_gcvt leaves plain notation beyond 15 digits before the point and 14 zeros behind it.
    private const int MostPlainDigits = 15;
    private const int LeastPlainPoint = -14;

    private static readonly SearchValues<byte> MustEscape = SearchValues.Create([.. Enumerable.Range(0, 32).Select(i => (byte)i), (byte)'"', (byte)'\\']);

    private byte[] buffer = new byte[1024];
    private int used;

    /// <summary>True when the server prints an opaque value of type <see cref="BinlogColumnType.VarString"/> as a string; see <see cref="CharsetTable.PrintsOpaqueStrings"/>.</summary>
    public bool PrintsOpaqueStrings { get; init; }

    public ReadOnlySpan<byte> Written => buffer.AsSpan(0, used);

    public void Clear() => used = 0;

    public void Raw(ReadOnlySpan<byte> text)
    {
        text.CopyTo(Room(text.Length));
        used += text.Length;
    }

    public void Raw(byte character)
    {
        Room(1)[0] = character;
        used++;
    }

    public void Number(long value)
    {
        System.Buffers.Text.Utf8Formatter.TryFormat(value, Room(32), out var written);
        used += written;
    }

    public void Number(ulong value)
    {
        System.Buffers.Text.Utf8Formatter.TryFormat(value, Room(32), out var written);
        used += written;
    }

    /// <summary>The shortest digits that read back as the same value; <c>.0</c> behind what would look like an integer.</summary>
    public void Number(double value)
    {
        if (value == 0)
        {
            Raw(double.IsNegative(value) ? "-0.0"u8 : "0.0"u8);
            return;
        }

        Span<char> shortest = stackalloc char[32];
        value.TryFormat(shortest, out var length, "R", CultureInfo.InvariantCulture);
        var (digits, point) = Digits(shortest[..length]);
        if (value < 0)
        {
            Raw((byte)'-');
        }

        if (point is > MostPlainDigits or < LeastPlainPoint)
        {
            Exponential(digits, point);
        }
        else
        {
            Plain(digits, point);
        }
    }

    public void String(ReadOnlySpan<byte> utf8)
    {
        Raw((byte)'"');
        while (utf8.IndexOfAny(MustEscape) is >= 0 and var at)
        {
            Raw(utf8[..at]);
            Escape(utf8[at]);
            utf8 = utf8[(at + 1)..];
        }

        Raw(utf8);
        Raw((byte)'"');
    }

    /// <summary>A text of a fixed form between quotes.</summary>
    public void Quoted(ReadOnlySpan<byte> text)
    {
        Raw((byte)'"');
        Raw(text);
        Raw((byte)'"');
    }

    private void Escape(byte c)
    {
        switch (c)
        {
            case (byte)'"': Raw("\\\""u8); break;
            case (byte)'\\': Raw("\\\\"u8); break;
            case (byte)'\b': Raw("\\b"u8); break;
            case (byte)'\f': Raw("\\f"u8); break;
            case (byte)'\n': Raw("\\n"u8); break;
            case (byte)'\r': Raw("\\r"u8); break;
            case (byte)'\t': Raw("\\t"u8); break;
            default: Raw(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"))); break;
        }
    }

    /// <summary>Significant digits, and how many of them stand before the point.</summary>
    private static (string Digits, int Point) Digits(ReadOnlySpan<char> text)
    {
        var e = text.IndexOf('E');
        var exponent = e < 0 ? 0 : int.Parse(text[(e + 1)..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        var mantissa = (e < 0 ? text : text[..e]).TrimStart('-');
        var dot = mantissa.IndexOf('.');
        var all = dot < 0 ? mantissa.ToString() : string.Concat(mantissa[..dot], mantissa[(dot + 1)..]);
        var zeros = all.Length - all.TrimStart('0').Length;
        var point = (dot < 0 ? mantissa.Length : dot) - zeros + exponent;
        return (all.Trim('0'), point);
    }

    private void Plain(string digits, int point)
    {
        if (point <= 0)
        {
            Raw("0."u8);
            Zeros(-point);
            Ascii(digits);
        }
        else if (point >= digits.Length)
        {
            Ascii(digits);
            Zeros(point - digits.Length);
            Raw(".0"u8);
        }
        else
        {
            Ascii(digits.AsSpan(0, point));
            Raw((byte)'.');
            Ascii(digits.AsSpan(point));
        }
    }

    private void Exponential(string digits, int point)
    {
        Ascii(digits.AsSpan(0, 1));
        if (digits.Length > 1)
        {
            Raw((byte)'.');
            Ascii(digits.AsSpan(1));
        }

        Raw((byte)'e');
        Number((long)(point - 1));
    }

    private void Zeros(int count)
    {
        Room(count)[..count].Fill((byte)'0');
        used += count;
    }

    private void Ascii(ReadOnlySpan<char> text) => used += Encoding.ASCII.GetBytes(text, Room(text.Length));

    private Span<byte> Room(int size)
    {
        if (buffer.Length - used < size)
        {
            Array.Resize(ref buffer, Math.Max(buffer.Length * 2, used + size));
        }

        return buffer.AsSpan(used);
    }
}
