using System.Globalization;
using System.Text;

namespace SampleBilling;

/// <summary>
/// Rows in the text form of LOAD DATA: fields end with a tab, rows with a line feed, NULL is <c>\N</c>, special characters follow a backslash
/// (https://dev.mysql.com/doc/refman/9.7/en/load-data.html#load-data-field-line-handling).
/// </summary>
internal sealed class LoadDataText
{
    private byte[] _buffer = new byte[64 * 1024];

    public int Length { get; private set; }

    public ReadOnlySpan<byte> Written => _buffer.AsSpan(0, Length);

    public void Clear() => Length = 0;

    public void EndRow() => _buffer[Length - 1] = (byte)'\n';

    public LoadDataText Add(ulong value) => AddFormatted(value, default);

    public LoadDataText Add(ulong? value) => value is { } v ? Add(v) : AddNull();

    public LoadDataText Add(int value) => AddFormatted(value, default);

    public LoadDataText Add(bool value) => AddFormatted(value ? 1 : 0, default);

    public LoadDataText Add(decimal value) => AddFormatted(value, default);

    public LoadDataText Add(decimal? value) => value is { } v ? Add(v) : AddNull();

    public LoadDataText Add(DateTime value) => AddFormatted(value, "yyyy-MM-dd HH:mm:ss.ffffff");

    public LoadDataText Add(DateTime? value) => value is { } v ? Add(v) : AddNull();

    public LoadDataText AddDate(DateTime value) => AddFormatted(value, "yyyy-MM-dd");

    public LoadDataText AddDate(DateTime? value) => value is { } v ? AddDate(v) : AddNull();

    public LoadDataText Add(string? value)
    {
        if (value is null)
        {
            return AddNull();
        }

        Reserve(value.Length * 3 * 2 + 1);
        if (value.AsSpan().IndexOfAny("\\\t\n\r\0") < 0)
        {
            Length += Encoding.UTF8.GetBytes(value, _buffer.AsSpan(Length));
            _buffer[Length++] = (byte)'\t';
            return this;
        }

        foreach (var rune in value.EnumerateRunes())
        {
            if (rune.Value is '\\' or '\t' or '\n' or '\r' or '\0')
            {
                _buffer[Length++] = (byte)'\\';
            }

            if (rune.Value == '\0')
            {
                _buffer[Length++] = (byte)'0';
            }
            else
            {
                Length += rune.EncodeToUtf8(_buffer.AsSpan(Length));
            }
        }

        _buffer[Length++] = (byte)'\t';
        return this;
    }

    private LoadDataText AddNull()
    {
        Reserve(3);
        "\\N\t"u8.CopyTo(_buffer.AsSpan(Length));
        Length += 3;
        return this;
    }

    private LoadDataText AddFormatted<T>(T value, ReadOnlySpan<char> format)
        where T : IUtf8SpanFormattable
    {
        Reserve(64);
        _ = value.TryFormat(_buffer.AsSpan(Length), out var written, format, CultureInfo.InvariantCulture);
        Length += written;
        _buffer[Length++] = (byte)'\t';
        return this;
    }

    private void Reserve(int size)
    {
        if (_buffer.Length - Length < size)
        {
            Array.Resize(ref _buffer, Math.Max(_buffer.Length * 2, Length + size));
        }
    }
}
