#pragma once

// A symbol server on the loopback interface that misbehaves as a test wants.

#include "base/bytes.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace poolkd::testing {

class HttpServer;

/// One accepted request. What a page does not send is not there for the client.
class HttpExchange {
  public:
    HttpExchange(int socket, const std::atomic<bool>& closing) : socket_(socket), closing_(closing) {}

    void send(std::string_view text) const {
        while (!text.empty()) {
            const ssize_t sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
            if (sent <= 0) return;
            text.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    void head(int status, std::size_t length, std::string_view more = {}) const {
        send(fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n", status, length, more));
    }
    void answer(int status, std::string_view body, std::string_view more = {}) const {
        head(status, body.size(), more);
        send(body);
    }
    /// Keeps the connection open without a word until the client goes.
    void keep_silent() const {
        pollfd waiting{socket_, POLLIN | POLLRDHUP, 0};
        while (!closing_ && ::poll(&waiting, 1, 20) == 0) {
        }
    }

  private:
    int socket_;
    const std::atomic<bool>& closing_;
};

/// Serves pages by path; other paths give 404. Counts all requests.
class HttpServer {
  public:
    using Page = std::function<void(const HttpExchange&)>;

    HttpServer() {
        listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* raw = reinterpret_cast<sockaddr*>(&address);
        if (::bind(listener_, raw, size) != 0 || ::listen(listener_, 64) != 0) ADD_FAILURE() << "no loopback";
        ::getsockname(listener_, raw, &size);
        port_ = ntohs(address.sin_port);
        acceptor_ = std::jthread([this] { accept_all(); });
    }
    ~HttpServer() {
        closing_ = true;
        ::shutdown(listener_, SHUT_RDWR);
        acceptor_ = {};
        connections_.clear();
        ::close(listener_);
    }
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    [[nodiscard]] std::string url() const { return fmt::format("http://127.0.0.1:{}/store", port_); }
    /// `path` below the store.
    void page(const std::string& path, Page page) {
        std::scoped_lock lock(mutex_);
        pages_["/store/" + path] = std::move(page);
    }
    void file(const std::string& path, std::string body) {
        page(path, [body = std::move(body)](const HttpExchange& http) { http.answer(200, body); });
    }
    [[nodiscard]] std::vector<std::string> requests() {
        std::scoped_lock lock(mutex_);
        return requests_;
    }
    [[nodiscard]] std::size_t requests_for(std::string_view path) {
        return static_cast<std::size_t>(std::ranges::count(requests(), "/store/" + std::string(path)));
    }

  private:
    void accept_all() {
        while (!closing_) {
            const int socket = ::accept(listener_, nullptr, nullptr);
            if (socket < 0) continue;
            connections_.emplace_back([this, socket] { serve(socket); });
        }
    }

    void serve(int socket) {
        std::string request;
        char piece[1024];
        while (request.find("\r\n\r\n") == std::string::npos) {
            const ssize_t got = ::recv(socket, piece, sizeof piece, 0);
            if (got <= 0) break;
            request.append(piece, static_cast<std::size_t>(got));
        }
        const std::size_t start = request.find(' ') + 1;
        const std::string path = request.substr(start, request.find(' ', start) - start);
        Page page = [](const HttpExchange& http) { http.answer(404, "<html>not here</html>"); };
        {
            std::scoped_lock lock(mutex_);
            requests_.push_back(path);
            if (auto found = pages_.find(path); found != pages_.end()) page = found->second;
        }
        page(HttpExchange(socket, closing_));
        ::shutdown(socket, SHUT_WR);
        // What the client still sends is taken, so that closing does not destroy what it has not read yet.
        pollfd waiting{socket, POLLIN, 0};
        while (::poll(&waiting, 1, 1000) > 0 && ::recv(socket, piece, sizeof piece, 0) > 0) {
        }
        ::close(socket);
    }

    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<bool> closing_ = false;
    std::mutex mutex_;
    std::map<std::string, Page> pages_;
    std::vector<std::string> requests_;
    std::vector<std::jthread> connections_; ///< of the acceptor alone, until it has ended
    std::jthread acceptor_;
};

} // namespace poolkd::testing
