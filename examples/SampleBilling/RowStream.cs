namespace SampleBilling;

/// <summary>Rows as the bytes that LOAD DATA reads, made while they are read. Ends after so many rows; the source keeps its place for the next stream.</summary>
internal sealed class RowStream<TRow>(IEnumerator<TRow> rows, Action<LoadDataText, TRow> format, int mostRows) : Stream
{
    private const int BlockSize = 32 * 1024;
    private readonly LoadDataText _text = new();
    private int _taken;

    public int Rows { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(Span<byte> buffer)
    {
        if (_taken == _text.Length)
        {
            Fill();
        }

        var count = Math.Min(buffer.Length, _text.Length - _taken);
        _text.Written.Slice(_taken, count).CopyTo(buffer);
        _taken += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(Read(buffer.Span));
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private void Fill()
    {
        _text.Clear();
        _taken = 0;
        while (_text.Length < BlockSize && Rows < mostRows && rows.MoveNext())
        {
            format(_text, rows.Current);
            _text.EndRow();
            Rows++;
        }
    }
}
