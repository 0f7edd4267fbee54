"""The shop's addresses."""

from django.urls import path

from shop import views

urlpatterns = [
    path("", views.form),
    path("orders", views.take),
    path("orders/<str:number>/<str:token>", views.show, name="order"),
    path("hooks/breakwall", views.hear),
]
