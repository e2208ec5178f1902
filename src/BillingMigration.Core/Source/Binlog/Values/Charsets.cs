using System.Buffers;
using System.Text;

namespace BillingMigration.Source.Binlog;

/// <summary>A character set of the source: its bytes as UTF-8, as the source itself converts them.</summary>
internal interface ICharset
{
    /// <summary>Most bytes of UTF-8 that so many bytes can become.</summary>
    int MostUtf8Bytes(int bytes);

    /// <returns>Bytes written.</returns>
    int ToUtf8(ReadOnlySpan<byte> value, Span<byte> utf8);

    /// <summary>True when the text comes back from UTF-8 as the same bytes.</summary>
    bool IsExact(ReadOnlySpan<byte> value);
}

/// <summary>One byte a character: the 256 characters as the server gave them.</summary>
/// <param name="twins">Characters that UTF-8 has as another one's.</param>
internal sealed class SingleByteCharset(byte[][] characters, HashSet<int> twins) : ICharset
{
    private readonly int widest = characters.Max(c => c.Length);

    public int MostUtf8Bytes(int bytes) => bytes * widest;

    public bool IsExact(ReadOnlySpan<byte> value)
    {
        foreach (var b in value)
        {
            if (twins.Contains(b))
            {
                return false;
            }
        }

        return true;
    }

    public int ToUtf8(ReadOnlySpan<byte> value, Span<byte> utf8)
    {
        var used = 0;
        foreach (var b in value)
        {
            var character = characters[b];
            if (character.Length == 1)
            {
                utf8[used++] = character[0];
            }
            else
            {
                character.CopyTo(utf8[used..]);
                used += character.Length;
            }
        }

        return used;
    }
}

/// <summary>A character set of one to three bytes a character, by the server's own table.</summary>
/// <param name="characters">By the bytes of the character, first byte highest; lengths are told apart by the value.</param>
/// <param name="twins">Characters that UTF-8 has as another one's.</param>
internal sealed class MultiByteCharset(Dictionary<int, byte[]> characters, HashSet<int> twins) : ICharset
{
    private const int MostBytes = 3;

    public int MostUtf8Bytes(int bytes) => bytes * 4;

    public bool IsExact(ReadOnlySpan<byte> value)
    {
        for (var at = 0; at < value.Length;)
        {
            var (character, code, length) = Next(value[at..]);
            if (character is null || twins.Contains(code))
            {
                return false;
            }

            at += length;
        }

        return true;
    }

    private (byte[]? Character, int Code, int Length) Next(ReadOnlySpan<byte> value)
    {
        var (code, length) = (0, 0);
        byte[]? character = null;
        while (character is null && length < MostBytes && length < value.Length)
        {
            code = (code << 8) | value[length++];
            characters.TryGetValue(code, out character);
        }

        return (character, code, length);
    }

    public int ToUtf8(ReadOnlySpan<byte> value, Span<byte> utf8)
    {
        var used = 0;
        for (var at = 0; at < value.Length;)
        {
            var (character, _, length) = Next(value[at..]);
            if (character is null)
            {
                // MySQL lets some bytes in that are no character (8EA0 in ujis), and prints each as a question mark.
                utf8[used++] = (byte)'?';
                at++;
                continue;
            }

            character.CopyTo(utf8[used..]);
            used += character.Length;
            at += length;
        }

        return used;
    }
}

/// <summary>UTF-16, UCS-2 and UTF-32. CHAR loses the last byte of its padding in the binlog: it is a blank.</summary>
/// <param name="pairs">UTF-16: two surrogates are one character.</param>
internal sealed class WideCharset(int bytesPerUnit, bool littleEndian, bool pairs) : ICharset
{
    public int MostUtf8Bytes(int bytes) => (bytes + bytesPerUnit) * 2;

    public bool IsExact(ReadOnlySpan<byte> value) => true;

    public int ToUtf8(ReadOnlySpan<byte> value, Span<byte> utf8)
    {
        var used = 0;
        for (var at = 0; at < value.Length;)
        {
            var unit = Unit(value, ref at);
            if (unit is >= 0xD800 and <= 0xDFFF && !pairs)
            {
                // The servers store half a pair where they know no pairs, and print it as it is: the item is refused then, not the binlog.
                utf8[used++] = 0xED;
                utf8[used++] = (byte)(0x80 | ((unit >> 6) & 0x3F));
                utf8[used++] = (byte)(0x80 | (unit & 0x3F));
                continue;
            }

            if (pairs && char.IsHighSurrogate((char)unit) && at < value.Length)
            {
                var low = Unit(value, ref at);
                unit = char.IsLowSurrogate((char)low) ? (uint)char.ConvertToUtf32((char)unit, (char)low) : throw Broken();
            }

            used += (Rune.TryCreate(unit, out var rune) ? rune : throw Broken()).EncodeToUtf8(utf8[used..]);
        }

        return used;
    }

    private static MigrationException Broken() => EventErrors.Unreadable("a text has bytes that are no character of its character set");

    private uint Unit(ReadOnlySpan<byte> value, ref int at)
    {
        uint unit = 0;
        for (var i = 0; i < bytesPerUnit; i++)
        {
            uint b = at + i < value.Length ? value[at + i] : (uint)' ';
            unit |= b << (8 * (littleEndian ? i : bytesPerUnit - 1 - i));
        }

        at += bytesPerUnit;
        return unit;
    }
}

/// <summary>A character set that .NET converts as the server does.</summary>
/// <param name="swapped">Two characters of the basic plane that the server has in each other's place; null for none.</param>
internal sealed class EncodingCharset(Encoding encoding, (char A, char B)? swapped) : ICharset
{
    public int MostUtf8Bytes(int bytes) => bytes * 4;

    public bool IsExact(ReadOnlySpan<byte> value) => true;

    public int ToUtf8(ReadOnlySpan<byte> value, Span<byte> utf8)
    {
        var characters = ArrayPool<char>.Shared.Rent(encoding.GetMaxCharCount(value.Length));
        try
        {
            var text = characters.AsSpan(0, encoding.GetChars(value, characters));
            if (swapped is var (a, b))
            {
                foreach (ref var c in text)
                {
                    c = c == a ? b : c == b ? a : c;
                }
            }

            return Encoding.UTF8.GetBytes(text, utf8);
        }
        finally
        {
            ArrayPool<char>.Shared.Return(characters);
        }
    }
}
