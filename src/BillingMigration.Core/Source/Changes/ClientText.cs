using System.Text;

namespace BillingMigration.Source.Changes;

/// <summary>
/// The text of a statement, which the binlog has in the character set of the client that sent it. Names of tables are compared as text, and in several character sets of East Asia
/// the second byte of a character may be a quote or a backslash.
/// </summary>
internal static class ClientText
{
    /// <param name="charset">MySQL's name of the character set.</param>
    public static string Read(ReadOnlySpan<byte> statement, string charset)
    {
        Encoding.RegisterProvider(CodePagesEncodingProvider.Instance);
        return CodePage(charset) is { } page ? Encoding.GetEncoding(page).GetString(statement) : Encoding.Latin1.GetString(statement);
    }

    /// <summary>Null: a set of single bytes that .NET does not have; its ASCII is right, and no other character of it stands in a name that anyone is known to use.</summary>
    private static int? CodePage(string charset) => charset switch
    {
        "utf8mb4" or "utf8mb3" or "utf8" or "ascii" or "binary" => 65001,
        // MySQL's latin1 is Windows' code page, not ISO 8859-1.
        "latin1" => 1252,
        "latin2" => 28592,
        "latin5" => 28599,
        "latin7" => 28603,
        "cp1250" => 1250,
        "cp1251" => 1251,
        "cp1256" => 1256,
        "cp1257" => 1257,
        "cp850" => 850,
        "cp852" => 852,
        "cp866" => 866,
        "koi8r" => 20866,
        "koi8u" => 21866,
        "greek" => 28597,
        "hebrew" => 28598,
        "tis620" => 874,
        "macroman" => 10000,
        "macce" => 10029,
        "sjis" or "cp932" => 932,
        "ujis" or "eucjpms" => 51932,
        "euckr" => 949,
        "gbk" or "gb2312" => 936,
        "big5" => 950,
        "gb18030" => 54936,
        _ => null,
    };
}
