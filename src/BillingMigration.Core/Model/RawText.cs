using System.Text;

namespace BillingMigration.Model;

/// <summary>
/// The bytes of a text in its own character set, where Unicode has them as another text's (cp932 has four ways to write some characters): in a key the two would be one. It stands in a row
/// in the place of the text, behind a byte that no text of UTF-8 has, and is refused by name where an item would be made of it.
/// </summary>
internal static class RawText
{
    /// <summary>Before the bytes.</summary>
    public const byte Mark = 0xFF;

    /// <summary>No text has this character where a raw one is written down: it is none of any character set but Unicode's own.</summary>
    private const char TextMark = '\uFFFF';

    /// <summary>True for text columns whose character set is not that of Unicode.</summary>
    public static bool MayBe(ColumnSchema column) => column.CharacterSet is not (null or "binary" or "utf8mb4" or "utf8mb3" or "utf8" or "ascii" or "utf16" or "utf16le" or "utf32" or "ucs2" or "gb18030")
        && column.DataType is not ("enum" or "set") && AttributeForms.For(column, null) == AttributeForm.Text;

    public static bool Is(ReadOnlySpan<byte> value) => value.Length > 0 && value[0] == Mark;

    /// <summary>As messages and checkpoints hold it.</summary>
    public static string ToText(ReadOnlySpan<byte> value) => TextMark + Convert.ToHexString(value[1..]);

    /// <returns>The bytes, with their mark; null: it is a text like any other.</returns>
    public static byte[]? OfText(string text) => text.Length > 0 && text[0] == TextMark ? [Mark, .. Convert.FromHexString(text.AsSpan(1))] : null;

    /// <summary>As a statement has it.</summary>
    public static string Literal(ColumnSchema column, ReadOnlySpan<byte> value) => $"_{column.CharacterSet} X'{Convert.ToHexString(value[1..])}'";
}
